"""Cases with a statistic of each row, group or channel: normalisations, softmax, cross-entropy, and their gradients.

A statistic over more than a cache holds makes a second pass over its input: batch normalisation reads x twice, its
gradient x and g twice. A group of one image or a row is still in the cache when it is read again, so it counts once.
"""

from collections.abc import Callable
from typing import Any

from tinygen.bench.cuda.kernel import Arrays, Kernel, Shape, floats, longs

EPS = 1e-5


def normalisations(image: Shape, rows: Shape, groups: int) -> list[Kernel]:
    """Batch, group (with and without SiLU), layer and RMS normalisation and their gradients."""
    n, c = image[0], image[1]
    of_channels = {"x": image, "w": (c,), "b": (c,)}
    of_rows = {"x": rows, "w": (rows[1],), "b": (rows[1],)}
    F: Callable[[Any], Any] = lambda T: T.nn.functional
    found = []

    def add(
        what: str,
        kernel: str,
        inputs: dict[str, Shape],
        left: tuple[str, ...],
        passes: int,
        forward: Callable[[Any, Arrays], Any],
        backward: Callable[[Any, Arrays], Any],
        theirs: Callable[[Any, Arrays], Any],
        statistics: Shape,
        again: tuple[str, ...] = ("w",),
    ) -> None:
        """Forward reads x `passes` times, backward x and g, and of the other inputs those that are named `again`."""
        x, channels = inputs["x"], [inputs[name] for name in inputs if name != "x"]
        kept = [statistics] * len(left)
        images = len(x) == 4
        found.append(
            Kernel(
                what,
                kernel,
                inputs,
                lambda K, a: forward(K, a)[0],
                theirs,
                floats(*[x] * passes, x, *channels, *kept),
                images=("x",) if images else (),
            )
        )
        found.append(
            Kernel(
                f"{what}, gradients",
                f"{kernel}_backward",
                inputs | {"g": x},
                backward,
                theirs,
                floats(*[x] * (2 * passes), x, *(inputs[name] for name in again), *channels, *kept),
                wrt=tuple(inputs),
                left=lambda K, a: dict(zip(left, forward(K, a)[1:])),
                images=("x", "g") if images else (),
            )
        )

    add(
        "batch normalisation",
        "batch_norm",
        of_channels,
        ("mean", "rstd"),
        2,
        lambda K, a: K.batch_norm(a["x"], a["w"], a["b"], EPS),
        lambda K, a: K.batch_norm_backward(a["g"], a["x"], a["w"], a["mean"], a["rstd"]),
        lambda T, a: F(T).batch_norm(a["x"], None, None, a["w"], a["b"], True, 0.1, EPS),
        (c,),
    )
    for silu in (False, True):

        def group(K: Any, a: Arrays, silu: bool = silu) -> Any:
            return K.group_norm(a["x"], groups, a["w"], a["b"], EPS, silu)

        def gradients(K: Any, a: Arrays, silu: bool = silu) -> Any:
            return K.group_norm_backward(a["g"], a["x"], groups, a["w"], a["b"], a["mean"], a["rstd"], silu)

        def theirs(T: Any, a: Arrays, silu: bool = silu) -> Any:
            y = F(T).group_norm(a["x"], groups, a["w"], a["b"], EPS)
            return F(T).silu(y) if silu else y

        what = f"group normalisation{' and SiLU' if silu else ''}"
        again = ("w", "b") if silu else ("w",)
        add(what, "group_norm", of_channels, ("mean", "rstd"), 1, group, gradients, theirs, (n, groups), again)
    add(
        "layer normalisation",
        "layer_norm",
        of_rows,
        ("mean", "rstd"),
        1,
        lambda K, a: K.layer_norm(a["x"], 1, a["w"], a["b"], EPS),
        lambda K, a: K.layer_norm_backward(a["g"], a["x"], 1, a["w"], a["mean"], a["rstd"]),
        lambda T, a: F(T).layer_norm(a["x"], (rows[1],), a["w"], a["b"], EPS),
        rows[:1],
    )
    add(
        "RMS normalisation",
        "rms_norm",
        {"x": rows, "w": (rows[1],)},
        ("rstd",),
        1,
        lambda K, a: K.rms_norm(a["x"], 1, a["w"], EPS),
        lambda K, a: K.rms_norm_backward(a["g"], a["x"], 1, a["w"], a["rstd"]),
        lambda T, a: F(T).rms_norm(a["x"], (rows[1],), a["w"], EPS),
        rows[:1],
    )
    return found


def softmaxes(rows: Shape) -> list[Kernel]:
    """Softmax, log-softmax and cross-entropy over rows, and their gradients."""
    found = []
    for name in ("softmax", "log_softmax"):

        def forward(K: Any, a: Arrays, name: str = name) -> Any:
            return getattr(K, name)(a["x"], 1)

        def backward(K: Any, a: Arrays, name: str = name) -> Any:
            return getattr(K, f"{name}_backward")(a["g"], a["y"], 1)

        def left(K: Any, a: Arrays, forward: Any = forward) -> Arrays:
            return {"y": forward(K, a)}

        def theirs(T: Any, a: Arrays, name: str = name) -> Any:
            return getattr(T, name)(a["x"], 1)

        said = name.replace("_", "-")
        found += [
            Kernel(said, name, {"x": rows}, forward, theirs, floats(rows, rows)),
            Kernel(
                f"{said}, gradient",
                f"{name}_backward",
                {"x": rows, "g": rows},
                backward,
                theirs,
                floats(rows, rows, rows),
                wrt=("x",),
                left=left,
            ),
        ]
    n = rows[:1]
    target = {"i": (n, rows[1])}
    cross_entropy: Callable[[Any, Arrays], Any] = lambda T, a: T.nn.functional.cross_entropy(
        a["x"], a["i"], reduction="none"
    )
    return [
        *found,
        Kernel(
            "cross-entropy",
            "cross_entropy",
            {"x": rows},
            lambda K, a: K.cross_entropy(a["x"], a["i"])[0],
            cross_entropy,
            floats(rows, n, n) + longs(n),
            integers=target,
        ),
        Kernel(
            "cross-entropy, gradient",
            "cross_entropy_backward",
            {"x": rows, "g": n},
            lambda K, a: K.cross_entropy_backward(a["g"], a["x"], a["i"], a["lse"]),
            cross_entropy,
            floats(rows, n, n, rows) + longs(n),
            wrt=("x",),
            left=lambda K, a: {"lse": K.cross_entropy(a["x"], a["i"])[1]},
            integers=target,
        ),
    ]


def statistics(image: Shape = (512, 64, 28, 28), rows: Shape = (1 << 17, 256), groups: int = 8) -> list[Kernel]:
    """All of them, on images and rows of some 100 MB."""
    return [*normalisations(image, rows, groups), *softmaxes(rows)]
