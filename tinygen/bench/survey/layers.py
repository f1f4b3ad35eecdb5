"""Products, linear algebra, and the functions that layers and losses are made of."""

from tinygen.bench.survey.entry import (
    CHANNEL,
    COLUMNS,
    DEFINITE,
    FIXED,
    HEADS,
    IMAGE,
    PROBABILITY,
    REGULAR,
    ROW,
    SQUARE,
    STATISTIC,
    TRUTH,
    Array,
    Entry,
    X,
    of,
    weights,
)

BIASED = {"x": IMAGE, "b": CHANNEL}
SCALED = {"x": IMAGE, "w": CHANNEL, "b": CHANNEL}
ATTENTION = {"q": HEADS, "k": HEADS, "v": HEADS}
EVALUATION = SCALED | {"m": Array("k", gradient=False), "v": STATISTIC}
CLASS = Array("r", below="c")

PRODUCTS = [
    of("x @ y.T", lambda F, a: a["x"] @ a["y"].T, x=X, y=COLUMNS),
    of("matmul, 64 x 64", lambda F, a: F.matmul(a["x"], a["y"]), x=SQUARE, y=SQUARE),
    of("matmul of stacks", lambda F, a: F.matmul(a["x"], a["y"]), x=Array("b4mm"), y=Array("b4mm")),
    of("matrix by vector", lambda F, a: a["x"] @ a["y"], x=X, y=ROW),
    of("vecdot", lambda F, a: F.vecdot(a["x"], a["y"]), x=X, y=X),
    of("outer", lambda F, a: F.outer(a["x"], a["y"]), x=ROW, y=ROW),
    of("tensordot", lambda F, a: F.tensordot(a["x"], a["y"], 1), x=SQUARE, y=SQUARE),
    of("einsum ij,kj->ik", lambda F, a: F.einsum("ij,kj->ik", a["x"], a["y"]), x=X, y=COLUMNS),
    of("einsum bhij,bhkj->bhik", lambda F, a: F.einsum("bhij,bhkj->bhik", a["x"], a["y"]), x=HEADS, y=HEADS),
    of("linear", lambda F, a: F.linear(a["x"], a["w"], a["b"]), x=X, w=COLUMNS, b=Array("d")),
]

LINEAR_ALGEBRA = [
    of("inv", lambda F, a: F.inv(a["x"]), x=REGULAR),
    of("solve", lambda F, a: F.solve(a["x"], a["y"]), x=REGULAR, y=SQUARE),
    of("det", lambda F, a: F.det(a["x"]), x=REGULAR),
    of("slogdet", lambda F, a: F.slogdet(a["x"])[1], x=REGULAR),
    of("cholesky", lambda F, a: F.cholesky(a["x"]), x=DEFINITE),
    of("trace", lambda F, a: F.trace(a["x"]), x=SQUARE),
]

CONVOLUTIONS = [
    of("conv 1x1", lambda F, a: F.conv2d(a["x"], a["w"], a["b"]), w=weights(1), **BIASED),
    of("conv 3x3", lambda F, a: F.conv2d(a["x"], a["w"], a["b"], padding=1), w=weights(3), **BIASED),
    of("conv 3x3 and ReLU", lambda F, a: F.conv2d_relu(a["x"], a["w"], a["b"]), w=weights(3), **BIASED),
    of("conv 3x3 of the doubled image", lambda F, a: F.conv2d_doubled(a["x"], a["w"], a["b"]), w=weights(3), **BIASED),
    of("conv 4x4, stride 2", lambda F, a: F.conv2d(a["x"], a["w"], a["b"], 2, 1), w=weights(4), **BIASED),
    of("transposed conv 3x3", lambda F, a: F.conv_transpose2d(a["x"], a["w"], a["b"], 1, 1), w=weights(3), **BIASED),
    of(
        "transposed conv 4x4, stride 2",
        lambda F, a: F.conv_transpose2d(a["x"], a["w"], a["b"], 2, 1),
        w=weights(4),
        **BIASED,
    ),
    of("max pooling 2x2", lambda F, a: F.max_pool2d(a["x"], 2), x=IMAGE),
    of("max pooling 3x3", lambda F, a: F.max_pool2d(a["x"], 3, 1, 1), x=IMAGE),
    of("average pooling 2x2", lambda F, a: F.avg_pool2d(a["x"], 2), x=IMAGE),
    of("average pooling 3x3", lambda F, a: F.avg_pool2d(a["x"], 3, 1, 1), x=IMAGE),
    of("doubling, nearest", lambda F, a: F.interpolate(a["x"], scale_factor=2), x=IMAGE),
    of("doubling, bilinear", lambda F, a: F.interpolate(a["x"], scale_factor=2, mode="bilinear"), x=IMAGE),
]

NORMALISATION = [
    of("batch norm", lambda F, a: F.batch_norm(a["x"], None, None, a["w"], a["b"], True), **SCALED),
    of("batch norm, evaluation", lambda F, a: F.batch_norm(a["x"], a["m"], a["v"], a["w"], a["b"]), **EVALUATION),
    of("group norm", lambda F, a: F.group_norm(a["x"], 2, a["w"], a["b"]), **SCALED),
    of("instance norm", lambda F, a: F.instance_norm(a["x"], None, None, a["w"], a["b"]), **SCALED),
    of("layer norm", lambda F, a: F.layer_norm(a["x"], a["w"].shape, a["w"], a["b"]), x=X, w=ROW, b=ROW),
    of("RMS norm", lambda F, a: F.rms_norm(a["x"], a["w"].shape, a["w"]), x=X, w=ROW),
]

OTHERS = [
    of("attention", lambda F, a: F.scaled_dot_product_attention(a["q"], a["k"], a["v"]), **ATTENTION),
    of(
        "causal attention",
        lambda F, a: F.scaled_dot_product_attention(a["q"], a["k"], a["v"], None, is_causal=True),
        **ATTENTION,
    ),
    of("embedding", lambda F, a: F.embedding(a["i"], a["w"]), w=X, i=Array("rk", below="r")),
    of("gated activation", lambda F, a: F.gate(a["x"]), x=IMAGE),
    Entry("dropout", lambda F, a: F.dropout_half(a["x"]), {"x": X}, compared=False),
]

LOSSES = [
    of("mse loss", lambda F, a: F.mse_loss(a["x"], a["y"]), x=X, y=FIXED),
    of("l1 loss", lambda F, a: F.l1_loss(a["x"], a["y"]), x=X, y=FIXED),
    of("Huber loss", lambda F, a: F.huber_loss(a["x"], a["y"]), x=X, y=FIXED),
    of("binary cross-entropy", lambda F, a: F.binary_cross_entropy_with_logits(a["x"], a["y"]), x=X, y=TRUTH),
    of(
        "binary cross-entropy of each",
        lambda F, a: F.binary_cross_entropy_with_logits(a["x"], a["y"], reduction="none"),
        x=X,
        y=TRUTH,
    ),
    of("squared distance by example", lambda F, a: F.squared_distance_by_example(a["x"], a["y"]), x=X, y=X),
    of("cross-entropy", lambda F, a: F.cross_entropy(a["x"], a["i"]), x=X, i=CLASS),
    of("cross-entropy to probabilities", lambda F, a: F.cross_entropy(a["x"], a["y"]), x=X, y=PROBABILITY),
]

LAYERS = [*PRODUCTS, *LINEAR_ALGEBRA, *CONVOLUTIONS, *NORMALISATION, *OTHERS, *LOSSES]
