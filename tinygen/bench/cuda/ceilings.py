"""What the card itself can do: a copy of several times its cache, and a large matrix product of the vendor's library.

They are cases like all others, timed in the same run in every library; the faster one counts.
"""

from tinygen.bench.cuda.kernel import Kernel, floats

COPY, PRODUCT = "a copy of 512 MiB", "cuBLAS, 8192 x 8192 x 8192"


def ceilings(elements: int = 1 << 27, side: int = 8192) -> list[Kernel]:
    """The copy of so many floats, and the product of square matrices of that side."""

    def copy(y: object, x: object) -> object:
        y[...] = x  # type: ignore[index]
        return y

    return [
        Kernel(
            COPY,
            "",
            {},
            lambda K, a: copy(a["y"], a["x"]),
            lambda T, a: a["y"].copy_(a["x"]),
            floats((elements,), (elements,)),
            filled={"x": ((elements,), 1.0), "y": ((elements,), 0.0)},
        ),
        Kernel(
            PRODUCT,
            "matmul",
            {"a": (side, side), "b": (side, side)},
            lambda K, a: K.xp(a["a"]).matmul(a["a"], a["b"]),
            lambda T, a: a["a"] @ a["b"],
            floats((side, side), (side, side), (side, side)),
            2 * side**3,
        ),
    ]
