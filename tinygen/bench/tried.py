"""Rows that fall short of their goals, on one machine or another, and the paragraph of docs/bench.md that says why, and
what was tried.

Held by tests/bench/test_bench_goals.py: no row of the committed tables falls short without a paragraph.
"""

from tinygen.bench.operations import OPERATIONS
from tinygen.bench.steps import STEPS
from tinygen.bench.survey.entry import FORMS

FORWARD, GRADIENTS, TINY, TINY_GRADIENTS = FORMS


def _of(form: str, *names: str) -> list[str]:
    return [f"{name}: {form}" for line in names for name in line.split("; ")]


PARAGRAPHS = {
    "Views": _of(
        GRADIENTS,
        "x.T; reshape; flatten; expand_dims; permute_dims; moveaxis; swapaxes; matrix_transpose; broadcast_to",
        "positive; add; subtract; sum; sum, axis 0; sum, axis 1",
        "concat, axis 0; concat, axis 1; concat of images; stack, axis 0",
    ),
    "Pieces": [*_of(FORWARD, "unstack; split"), *_of(TINY, "unstack; split")],
    "Memory": [
        "group norm",
        "ReLU",
        *_of(FORWARD, "negative; positive; sign; round; reciprocal; leaky_relu; add; subtract; multiply; maximum"),
        *_of(FORWARD, "minimum; x + row; x * row; x * column; clip; x ** 2; x ** 3; stack, axis 0; concat, axis 0"),
        *_of(FORWARD, "take, axis 1; outer; embedding; relu; remainder; floor; 2 x; x ** -.5"),
        *_of(FORWARD, "square; ceil; divide; min; concat, axis 1; concat of images"),
    ],
    "Sums in float64": [
        *_of(FORWARD, "sum; mean; prod; sum, axis 1; mean, axis 1; prod, axis 1; max, axis 1; min, axis 1"),
        *_of(GRADIENTS, "prod, axis 0"),
    ],
    "Arithmetic": ["VAE", *_of(FORWARD, "gelu; linear"), *_of(GRADIENTS, "acosh; Huber loss")],
    "Convolutions": ["DDPM", "DCGAN"],
    "The libraries below": [
        *_of(FORWARD, "power; 2 ** x"),
        *_of(TINY, "cumulative_sum, axis 0; cumulative_sum, axis 1; cholesky; sinh; sort, axis 0"),
        *_of(GRADIENTS, "solve; 2 ** x"),
    ],
    "Little arrays": [
        *_of(FORWARD, "trace; one_hot; diagonal; flatten; expand_dims"),
        *_of(TINY, "sum; max; min; var; std; norm; var, axis 0; var, axis 1; std, axis 0; std, axis 1"),
        *_of(
            TINY, "norm, axis 0; norm, axis 1; norm of order 1, axis 1; norm of order 3, axis 1; greatest norm, axis 1"
        ),
        *_of(TINY, "softmax, axis 0; softmax, axis 1; log_softmax, axis 0; log_softmax, axis 1"),
        *_of(TINY, "concat, axis 0; concat, axis 1; concat of images; stack, axis 0; stack, axis 2; pad of images"),
        *_of(TINY, "trace; one_hot; tril; triu; flatten; vecdot; mean; where(x > y, x, y); count_nonzero"),
        *_of(TINY, "max pooling 2x2; max pooling 3x3; average pooling 2x2; average pooling 3x3; doubling, bilinear"),
        *_of(TINY, "batch norm, evaluation; dropout; cross-entropy"),
        *_of(TINY, "cross-entropy to probabilities; hypot; sum, axis 0"),
        "ten linear maps of 8x8 and ReLU, forward alone",
    ],
    "Start-up": [f"{step}, {state}" for step in STEPS for state in ("cold", "warm")],
    "The engine": [operation.name for operation in OPERATIONS if operation.engine],
}
PARAGRAPH = {case: name for name, cases in PARAGRAPHS.items() for case in cases}
