"""Operations on numbers in rows and columns: entry by entry, over an axis, and those that move entries."""

from tinygen.bench.survey.entry import (
    ABOVE_1,
    COLUMN,
    DISTINCT,
    FIXED,
    FIXED_DISTINCT,
    FIXED_POSITIVE,
    FIXED_ROW,
    IMAGE,
    INDEX,
    INSIDE,
    NEAR_1,
    POSITIVE,
    ROW,
    SIGN,
    Array,
    Entry,
    X,
    named,
    of,
)


def over_an_axis(names: str, x: Array) -> list[Entry]:
    """Functions of x and an axis: over either."""
    call = lambda name, axis: lambda F, a: getattr(F, name)(a["x"], axis)
    return [of(f"{name}, axis {axis}", call(name, axis), x=x) for name in names.split() for axis in (0, 1)]


ELEMENTWISE = [
    *named("negative positive abs sign square exp exp2 expm1 erf tanh sigmoid silu gelu relu leaky_relu elu", X),
    *named("softplus normal_cdf sin cos atan sinh cosh asinh floor ceil round trunc", X),
    *named("asin acos atanh tan", INSIDE),
    *named("acosh", ABOVE_1),
    *named("sqrt reciprocal log log2 log10 log1p lgamma digamma", POSITIVE),
    of("polygamma(1, x)", lambda F, a: F.polygamma(1, a["x"]), x=POSITIVE),
    *named("add subtract multiply maximum minimum logaddexp", X, X),
    *named("divide atan2 hypot remainder", X, POSITIVE),
    *named("copysign", X, FIXED),
    *named("power", POSITIVE, X),
    of("x + row", lambda F, a: a["x"] + a["y"], x=X, y=ROW),
    of("x * row", lambda F, a: a["x"] * a["y"], x=X, y=ROW),
    of("x * column", lambda F, a: a["x"] * a["y"], x=X, y=COLUMN),
    of("2 x", lambda F, a: 2.0 * a["x"]),
    of("1 - x", lambda F, a: 1.0 - a["x"]),
    of("1 / x", lambda F, a: 1.0 / a["x"], x=POSITIVE),
    of("x ** 2", lambda F, a: a["x"] ** 2),
    of("x ** 3", lambda F, a: a["x"] ** 3),
    of("x ** 2.5", lambda F, a: a["x"] ** 2.5, x=POSITIVE),
    of("x ** -.5", lambda F, a: a["x"] ** -0.5, x=POSITIVE),
    of("2 ** x", lambda F, a: 2.0 ** a["x"]),
    of("clip", lambda F, a: F.clip(a["x"], -1.0, 1.0)),
    of("where(x > y, x, y)", lambda F, a: F.where(a["x"] > a["y"], a["x"], a["y"]), x=X, y=X),
    of("astype float64", lambda F, a: F.astype(a["x"], F.float64)),
]

WITHOUT_GRADIENT = [
    *named("equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor", FIXED, FIXED),
    *named("floor_divide", FIXED, FIXED_POSITIVE),
    *named("isnan isinf isfinite signbit logical_not any all count_nonzero", FIXED),
    of("argmax, axis 1", lambda F, a: F.argmax(a["x"], 1), x=FIXED),
    of("argmin, axis 0", lambda F, a: F.argmin(a["x"], 0), x=FIXED),
    of("argsort, axis 1", lambda F, a: F.argsort(a["x"], 1), x=FIXED_DISTINCT),
    of("one_hot", lambda F, a: F.one_hot(a["i"], 256), i=INDEX),
]

REDUCTIONS = [
    *named("sum mean max min var std logsumexp norm", X),
    *named("prod", SIGN),
    *over_an_axis("sum mean max min var std logsumexp cumulative_sum softmax log_softmax", X),
    *over_an_axis("prod cumulative_prod", NEAR_1),
    of("norm, axis 0", lambda F, a: F.norm(a["x"], None, 0)),
    of("norm, axis 1", lambda F, a: F.norm(a["x"], None, 1)),
    of("norm of order 1, axis 1", lambda F, a: F.norm(a["x"], 1, 1)),
    of("norm of order 3, axis 1", lambda F, a: F.norm(a["x"], 3, 1)),
    of("greatest norm, axis 1", lambda F, a: F.norm(a["x"], float("inf"), 1)),
    of("diff", lambda F, a: F.diff(a["x"])),
    of("sort, axis 1", lambda F, a: F.sort(a["x"], 1), x=DISTINCT),
    of("sort, axis 0", lambda F, a: F.sort(a["x"], 0), x=DISTINCT),
]

MOVEMENT = [
    of("x.T", lambda F, a: a["x"].T),
    of("x.T * 1", lambda F, a: a["x"].T * 1.0),
    of("reshape", lambda F, a: F.reshape(a["x"], (-1, 4))),
    of("reshape of x.T", lambda F, a: F.reshape(a["x"].T, (-1, 4))),
    of("flatten", lambda F, a: F.flatten(a["x"])),
    of("expand_dims", lambda F, a: F.expand_dims(a["x"], 1)),
    of("squeeze", lambda F, a: F.squeeze(a["x"], 1), x=COLUMN),
    of("broadcast_to", lambda F, a: F.broadcast_to(a["x"], (8, *a["x"].shape))),
    of("broadcast_arrays", lambda F, a: F.broadcast_arrays(a["x"], a["y"])[1], x=FIXED, y=ROW),
    of("permute_dims", lambda F, a: F.permute_dims(a["x"], (0, 2, 3, 1)), x=IMAGE),
    of("moveaxis", lambda F, a: F.moveaxis(a["x"], 1, 3), x=IMAGE),
    of("swapaxes", lambda F, a: F.swapaxes(a["x"], 0, 1)),
    of("matrix_transpose", lambda F, a: F.matrix_transpose(a["x"]), x=IMAGE),
    of("concat, axis 0", lambda F, a: F.concat([a["x"], a["y"]], 0), x=X, y=X),
    of("concat, axis 1", lambda F, a: F.concat([a["x"], a["y"]], 1), x=X, y=X),
    of("concat of images", lambda F, a: F.concat([a["x"], a["y"]], 1), x=IMAGE, y=IMAGE),
    of("stack, axis 0", lambda F, a: F.stack([a["x"], a["y"]], 0), x=X, y=X),
    of("stack, axis 2", lambda F, a: F.stack([a["x"], a["y"]], 2), x=X, y=X),
    of("unstack", lambda F, a: F.unstack(a["x"], 1)[1], x=IMAGE),
    of("split", lambda F, a: F.split(a["x"], 4, 1)[0]),
    of("pad", lambda F, a: F.pad_by_1(a["x"])),
    of("pad of images", lambda F, a: F.pad_by_1(a["x"]), x=IMAGE),
    of("flip, axis 0", lambda F, a: F.flip(a["x"], (0,))),
    of("flip, axis 1", lambda F, a: F.flip(a["x"], (1,))),
    of("roll, axis 1", lambda F, a: F.roll(a["x"], 1, 1)),
    of("tile", lambda F, a: F.tile(a["x"], (2, 1))),
    of("repeat", lambda F, a: F.repeat(a["x"], 2, 0)),
    of("tril", lambda F, a: F.tril(a["x"])),
    of("triu", lambda F, a: F.triu(a["x"])),
    of("diagonal", lambda F, a: F.diagonal(a["x"])),
    of("meshgrid", lambda F, a: F.meshgrid(a["x"], a["y"], indexing="ij")[0], x=ROW, y=FIXED_ROW),
    of("x[3]", lambda F, a: a["x"][3]),
    of("x[:, 1:]", lambda F, a: a["x"][:, 1:]),
    of("x[:, ::2]", lambda F, a: a["x"][:, ::2]),
    of("x[i]", lambda F, a: a["x"][a["i"]], x=X, i=INDEX),
    of("x[:, i]", lambda F, a: a["x"][:, a["i"]], x=X, i=INDEX),
    of("x[i, j]", lambda F, a: a["x"][a["i"], a["j"]], x=X, i=INDEX, j=INDEX),
    of("x[x > 0]", lambda F, a: a["x"][a["x"] > 0]),
    of("take, axis 1", lambda F, a: F.take(a["x"], a["i"], 1), x=X, i=INDEX),
    of("take_along_axis", lambda F, a: F.take_along_axis(a["x"], a["i"], 1), x=X, i=Array("rc", below="c")),
]

ARRAYS = [*ELEMENTWISE, *WITHOUT_GRADIENT, *REDUCTIONS, *MOVEMENT]
