"""Cases that multiply: convolutions and their two gradients, matrix products, attention and its gradient."""

from tinygen.bench.cuda.kernel import Kernel, Shape, floats


def convolution(n: int, inward: int, outward: int, side: int, kernel: int, stride: int = 1) -> list[Kernel]:
    """A convolution that keeps the size (stride 1) or halves it, and its gradients in the image and the weight."""
    pad = kernel // 2 if stride == 1 else 1
    after = (side + 2 * pad - kernel) // stride + 1
    x, y, w = (n, inward, side, side), (n, outward, after, after), (outward, inward, kernel, kernel)
    step, border = (stride, stride), (pad, pad)
    name = f"{kernel}x{kernel} stride {stride}, {inward}->{outward} at {side}"
    operations = 2 * n * outward * after**2 * inward * kernel**2
    scale = {"w": (inward * kernel**2) ** -0.5}
    theirs = lambda T, a: T.nn.functional.conv2d(a["x"], a["w"], None, stride, pad)
    inputs = {"x": x, "w": w, "g": y}
    return [
        Kernel(
            f"convolution {name}",
            "conv2d",
            {"x": x, "w": w},
            lambda K, a: K.conv2d(a["x"], a["w"], None, step, border),
            theirs,
            floats(x, w, y),
            operations,
            scale=scale,
            images=("x",),
        ),
        Kernel(
            f"convolution {name}, gradient in the image",
            "conv2d_input_grad",
            inputs,
            lambda K, a: K.conv2d_input_grad(a["g"], a["w"], None, (side, side), step, border),
            theirs,
            floats(y, w, x),
            operations,
            ("x",),
            scale=scale,
            images=("x", "g"),
        ),
        Kernel(
            f"convolution {name}, gradient in the weight",
            "conv2d_weight_grad",
            inputs,
            lambda K, a: K.conv2d_weight_grad(a["x"], a["g"], (kernel, kernel), step, border),
            theirs,
            floats(y, x, w),
            operations,
            ("w",),
            scale=scale,
            images=("x", "g"),
        ),
    ]


def product(m: int, k: int, n: int, batch: tuple[int, ...] = ()) -> Kernel:
    """(..., m, k) times (..., k, n)."""
    a, b, y = (*batch, m, k), (*batch, k, n), (*batch, m, n)
    count = batch[0] if batch else 1
    return Kernel(
        f"matrix product {' x '.join(map(str, (*batch, m, k, n)))}",
        "matmul",
        {"a": a, "b": b},
        lambda K, x: K.matmul(x["a"], x["b"]),
        lambda T, x: x["a"] @ x["b"],
        floats(a, b, y),
        2 * count * m * k * n,
        scale={"b": k**-0.5},
    )


def attention(batch: int, heads: int, length: int, size: int, causal: bool = False) -> list[Kernel]:
    """Attention, two products of its matrices, and its gradients, five: the scores are computed once more.

    Of causal attention half of the scores are there.
    """
    shape: Shape = (batch, heads, length, size)
    statistics = (batch, heads, length)
    one_product = 2 * batch * heads * length * length * size // (2 if causal else 1)
    name = f"{length} places of {size}{', causal' if causal else ''}"
    scale = size**-0.5
    theirs = lambda T, a: T.nn.functional.scaled_dot_product_attention(a["q"], a["k"], a["v"], is_causal=causal)
    forward = lambda K, a: K.attention(a["q"], a["k"], a["v"], None, causal, scale)
    return [
        Kernel(
            f"attention, {name}",
            "attention",
            dict.fromkeys("qkv", shape),
            lambda K, a: forward(K, a)[0],
            theirs,
            floats(shape, shape, shape, shape, statistics),
            2 * one_product,
        ),
        Kernel(
            f"attention, {name}, gradients",
            "attention_backward",
            dict.fromkeys("qkvg", shape),
            lambda K, a: K.attention_backward(a["g"], a["q"], a["k"], a["v"], a["y"], a["lse"], None, causal, scale),
            theirs,
            floats(*[shape] * 8, statistics),
            5 * one_product,
            ("q", "k", "v"),
            left=lambda K, a: dict(zip(("y", "lse"), forward(K, a))),
        ),
    ]


def products(batch: int = 64) -> list[Kernel]:
    """All of them, at the sizes of the project's models with batches of `batch`, and some larger."""
    return [
        *convolution(batch, 64, 64, 28, 3),
        *convolution(batch, 128, 128, 14, 3),
        *convolution(batch, 128, 128, 7, 3),
        *convolution(batch, 64, 128, 14, 4, stride=2),
        *convolution(batch, 64, 192, 14, 1),
        *convolution(4 * batch, 256, 256, 14, 3),
        product(8 * batch, 784, 512),
        product(64 * batch, 4096, 4096),
        product(196, 64, 196, (4 * batch,)),
        *attention(batch, 4, 49, 16),
        *attention(batch, 4, 196, 32),
        *attention(batch // 8, 16, 1024, 64, causal=True),
    ]
