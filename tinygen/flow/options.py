"""What the flow models' configurations share: what their options have to satisfy, and how long coupling flows train."""

from tinygen.recipe import Recipe


def check_positive(config: object, *names: str) -> None:
    """Raises ValueError for an option below 1."""
    for name in names:
        if getattr(config, name) < 1:
            raise ValueError(f"{name} is at least 1, not {getattr(config, name)}")


def check_points(shape: tuple[int, ...]) -> None:
    """Raises ValueError for examples that a coupling cannot halve."""
    if len(shape) != 1 or shape[0] < 2:
        raise ValueError(f"couplings need points (D,) with D at least 2, or images (C, H, W), not examples of {shape}")


def coupling_recipe(data: str, digit_steps: int) -> Recipe:
    """The recipe of RealNVP and Glow: `digit_steps` on the digits, which overfit early; longer on larger images."""
    if data == "digits":
        return Recipe(steps=digit_steps, batch_size=64, lr=1e-3, ema_decay=0.99, warmup=50, sample_every=400)
    if data in ("mnist", "fashion_mnist"):
        return Recipe(steps=6000, batch_size=64, lr=1e-3, ema_decay=0.998, warmup=100, sample_every=1000)
    return Recipe(steps=4000, batch_size=512, lr=1e-3, ema_decay=0.995, warmup=100, sample_every=1000, pictures=2000)
