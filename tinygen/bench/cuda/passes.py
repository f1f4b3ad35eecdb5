"""Cases that move memory: what happens at each entry, reductions, rows by index, updates, random numbers.

Their arrays are larger than the card's cache, so each must come from memory and go there.
"""

from collections.abc import Callable
from typing import Any

from tinygen.bench.cuda.kernel import Arrays, Kernel, Shape, floats, longs
from tinygen.kernels.expression import Chain, argument, parse

ADAM: dict[str, Any] = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}


def chain(formula: str, *names: str) -> Chain:
    """The chain of one formula of arrays."""
    return Chain(formula, (parse(formula, {name: argument(i) for i, name in enumerate(names)}),))  # type: ignore[arg-type]


def entries(shape: Shape) -> list[Kernel]:
    """What happens at each entry alone: chains, rectifiers, the gate, sums, a choice."""
    found = []
    one, two = floats(shape, shape), floats(shape, shape, shape)

    def unary(name: str, kernel: str, theirs: Callable[[Any, Any], Any], *options: float) -> None:
        found.append(
            Kernel(
                name,
                kernel,
                {"x": shape},
                lambda K, a: getattr(K, kernel)(a["x"], *options),
                lambda T, a: theirs(T, a["x"]),
                one,
            )
        )

    def gradient(name: str, kernel: str, theirs: Callable[[Any, Any], Any], *options: float) -> None:
        found.append(
            Kernel(
                f"{name}, gradient",
                f"{kernel}_backward",
                {"x": shape, "g": shape},
                lambda K, a: getattr(K, f"{kernel}_backward")(a["g"], a["x"], *options),
                lambda T, a: theirs(T, a["x"]),
                two,
                wrt=("x",),
            )
        )

    def fused(name: str, formula: str, names: str, theirs: Callable[..., Any]) -> None:
        made = chain(formula, *names)
        found.append(
            Kernel(
                name,
                "fused",
                dict.fromkeys(names, shape),
                lambda K, a: K.load("fused", K.choose(a["x"]))(made, tuple(a[n] for n in names), shape)[0],
                lambda T, a: theirs(T, *(a[n] for n in names)),
                floats(*[shape] * (len(names) + 1)),
            )
        )

    unary("erf", "erf", lambda T, x: T.erf(x))
    unary("normal distribution function", "normal_cdf", lambda T, x: T.special.ndtr(x))
    unary("sigmoid", "sigmoid", lambda T, x: T.sigmoid(x))
    unary("softplus", "softplus", lambda T, x: T.nn.functional.softplus(x))
    for name, kernel, theirs, *options in (
        ("ReLU", "relu", lambda T, x: T.relu(x)),
        ("leaky ReLU", "leaky_relu", lambda T, x: T.nn.functional.leaky_relu(x, 0.2), 0.2),
        ("ELU", "elu", lambda T, x: T.nn.functional.elu(x, 0.5), 0.5),
    ):
        unary(name, kernel, theirs, *options)  # type: ignore[arg-type]
        gradient(name, kernel, theirs, *options)  # type: ignore[arg-type]
    fused("chain: SiLU", "x * sigmoid(x)", "x", lambda T, x: T.nn.functional.silu(x))
    fused("chain: coupling x exp(s) + t", "x * exp(s) + t", "xst", lambda T, x, s, t: x * T.exp(s) + t)
    half = (shape[0], shape[1] // 2, *shape[2:])

    def gate(T: Any, a: Arrays) -> Any:
        p, q = a["x"].chunk(2, 1)
        return T.tanh(p) * T.sigmoid(q)

    return [
        *found,
        Kernel("gate", "gate", {"x": shape}, lambda K, a: K.gate(a["x"]), gate, floats(shape, half)),
        Kernel(
            "gate, gradient",
            "gate_backward",
            {"x": shape, "g": half},
            lambda K, a: K.gate_backward(a["g"], a["x"]),
            gate,
            floats(shape, half, shape),
            wrt=("x",),
        ),
        Kernel(
            "a choice between two arrays",
            "select",
            {"x": shape, "y": shape},
            lambda K, a: K.select(a["x"], a["condition"], a["y"]),
            lambda T, a: T.where(a["condition"], a["x"], a["y"]),
            floats(shape, shape, shape) + floats(shape) // 4,
            integers={"condition": (shape, 2)},
        ),
    ]


def reductions(shape: Shape) -> list[Kernel]:
    """Sums, squares, greatest and least: over all entries, over the last axes, over the first."""
    rows, columns = (shape[0], shape[1]), shape[1:]

    def add(name: str, kernel: str, axes: tuple[int, ...] | None, out: Shape, theirs: Callable[[Any, Any], Any]) -> Any:
        return Kernel(
            name,
            kernel,
            {"x": shape},
            lambda K, a: getattr(K, kernel)(a["x"], axes),
            lambda T, a: theirs(T, a["x"]),
            floats(shape, out),
        )

    return [
        add("sum of squares of all", "sum_of_squares", None, (), lambda T, x: T.linalg.vector_norm(x).square()),
        add("sum over pixels", "reduce_sum", (2, 3), rows, lambda T, x: x.sum((2, 3))),
        add("sum over examples", "reduce_sum", (0,), columns, lambda T, x: x.sum(0)),
        add("greatest over pixels", "reduce_max", (2, 3), rows, lambda T, x: x.amax((2, 3))),
        add("least over pixels", "reduce_min", (2, 3), rows, lambda T, x: x.amin((2, 3))),
    ]


def tables(rows: int, width: int, codes: int) -> list[Kernel]:
    """Rows by index: added up, and the nearest code of a codebook (for each row, `codes` inner products)."""
    many, table = (rows, width), (codes, width)
    return [
        Kernel(
            "rows added up by index",
            "add_taken",
            {"g": many},
            lambda K, a: K.add_taken(a["g"], a["i"], 0, codes),
            lambda T, a: a["g"].new_zeros(table).index_add_(0, a["i"], a["g"]),
            floats(many, table) + longs(many[:1]),
            integers={"i": (many[:1], codes)},
        ),
        Kernel(
            "nearest code",
            "nearest_code",
            {"z": many, "book": table},
            lambda K, a: K.nearest_code(a["z"], a["book"]),
            lambda T, a: T.cdist(a["z"], a["book"]).argmin(1),
            floats(many, table) + longs(many[:1]),
            2 * rows * width * codes,
            compared=False,  # of two codes that are equally near to rounding, either library may choose another
        ),
    ]


def updates(parameters: list[Shape]) -> list[Kernel]:
    """Adam and the moving average over many arrays, their norm, and a factor for all."""
    count = len(parameters)
    each = floats(*parameters)

    def of(*letters: str) -> dict[str, Shape]:
        return {f"{letter}{i}": shape for letter in letters for i, shape in enumerate(parameters)}

    def lists(a: Arrays, *letters: str) -> list[list[Any]]:
        return [[a[f"{letter}{i}"] for i in range(count)] for letter in letters]

    def adam(K: Any, a: Arrays) -> Any:
        K.adam_update_all(*lists(a, "p", "g", "m", "v"), lambda: ADAM | {"step": 3, "decoupled": False})
        return lists(a, "p")[0]

    def fused_adam(T: Any, a: Arrays) -> Any:
        p, g, m, v = lists(a, "p", "g", "m", "v")
        betas = {name: ADAM[name] for name in ("beta1", "beta2", "eps", "weight_decay", "lr")}
        T._fused_adam_(p, g, m, v, [], [a["step"]] * count, amsgrad=False, maximize=False, **betas)
        return p

    def average(K: Any, a: Arrays) -> Any:
        K.ema_update_all(*lists(a, "p", "g"), 0.99)
        return lists(a, "p")[0]

    def lerp(T: Any, a: Arrays) -> Any:
        p, g = lists(a, "p", "g")
        T._foreach_lerp_(p, g, 0.01)
        return p

    def scaled(K: Any, a: Arrays) -> Any:
        K.scale_all(lists(a, "g")[0], a["factor"])
        return lists(a, "g")[0]

    def foreach_scaled(T: Any, a: Arrays) -> Any:
        g = lists(a, "g")[0]
        T._foreach_mul_(g, a["factor"])
        return g

    squares = {f"v{i}": (shape, 0.5) for i, shape in enumerate(parameters)}
    return [
        Kernel(
            "Adam over all parameters",
            "adam_update_all",
            of("p", "g", "m"),
            adam,
            fused_adam,
            7 * each,
            filled=squares | {"step": ((), 3.0)},
        ),
        Kernel(
            "moving average of all parameters",
            "ema_update_all",
            of("p", "g"),
            average,
            lerp,
            3 * each,
        ),
        Kernel(
            "norm of all gradients",
            "gradient_norm",
            of("g"),
            lambda K, a: K.gradient_norm(lists(a, "g")[0]),
            lambda T, a: T.nn.utils.get_total_norm(lists(a, "g")[0]),
            each,
        ),
        Kernel(
            "a factor for all gradients",
            "scale_all",
            of("g"),
            scaled,
            foreach_scaled,
            2 * each,
            filled={"factor": ((), 0.5)},
        ),
    ]


def random_numbers(n: int) -> list[Kernel]:
    """Bits, uniforms and normals of the counter-based generator; PyTorch's are of Philox too, of other positions."""

    def draw(kernel: str, *dtype: str) -> Callable[[Any, Arrays], Any]:
        return lambda K, a: K.load(kernel, K.choose(a["like"]))((1, 2), 3, n, *dtype)

    like = {"like": (1,)}
    theirs: dict[str, Callable[[Any, Arrays], Any]] = {
        "philox_uniform": lambda T, a: T.rand(n, device=a["like"].device),
        "philox_normal": lambda T, a: T.randn(n, device=a["like"].device),
    }
    return [
        Kernel("random bits", "philox_bits", like, draw("philox_bits"), None, floats((n,)), compared=False),
        *(
            Kernel(name, kernel, like, draw(kernel, "float32"), theirs[kernel], floats((n,)), compared=False)
            for name, kernel in (("random uniforms", "philox_uniform"), ("random normals", "philox_normal"))
        ),
    ]


def passes(image: Shape = (512, 64, 28, 28), rows: Shape = (1 << 17, 256), wide: int = 1 << 20) -> list[Kernel]:
    """All of them: on images and rows of some 100 MB, on parameters of 8 * `wide` numbers and many small ones."""
    parameters: list[Shape] = [*[(wide,)] * 32, *[(64,)] * 64]
    return [
        *entries(image),
        *reductions(image),
        *tables(4 * rows[0], rows[1] // 4, 512),
        *updates(parameters),
        *random_numbers(32 * wide),
    ]
