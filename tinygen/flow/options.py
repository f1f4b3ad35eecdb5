"""What the options of the flow models have to satisfy, in one line each."""


def check_positive(config: object, *names: str) -> None:
    """Raises ValueError for an option below 1."""
    for name in names:
        if getattr(config, name) < 1:
            raise ValueError(f"{name} is at least 1, not {getattr(config, name)}")


def check_points(shape: tuple[int, ...]) -> None:
    """Raises ValueError for examples that a coupling cannot halve."""
    if len(shape) != 1 or shape[0] < 2:
        raise ValueError(f"couplings need points (D,) with D at least 2, or images (C, H, W), not examples of {shape}")
