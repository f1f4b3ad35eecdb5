"""Convolution: the definition equals naive loops, its adjoints are adjoint, and the CPU's and CUDA's kernels equal it.

Shapes are drawn to meet every branch: H != W, remainders of the output size, padding wider than the kernel,
one-pixel images, one image, images not shared evenly by the threads, channels that fill no vector, groups.
"""

from dataclasses import dataclass, replace

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from simulator import needs_compiler, simulated
from simulator import version as simulated_version

from tinygen.kernels.cpu import convolution as cpu
from tinygen.kernels.cpu import convolution_grouped as grouped
from tinygen.kernels.cpu import convolution_tiles as tiles
from tinygen.kernels.cpu.cook_toom import TILE
from tinygen.kernels.cpu.simd import LANES
from tinygen.kernels.cpu.threads import scratch
from tinygen.kernels.definitions import convolution as definition

MODULES = [pytest.param(m, id=i) for m, i in ((definition, "definition"), (cpu, "cpu"))]
MODULES.append(simulated_version("convolution"))


@dataclass(frozen=True)
class Case:
    """One convolution: shapes and geometry; `short` output rows and columns are left out of the adjoints."""

    n: int
    c: int
    k: int
    image: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    short: tuple[int, int] = (0, 0)

    @property
    def geometry(self):
        return self.stride, self.padding, self.dilation

    @property
    def output(self):
        return definition.output_size(self.image, self.kernel, *self.geometry)

    def arrays(self, dtype, seed=0):
        """x, w, bias (K,), bias of the transposed convolution (C,), g."""
        rng = np.random.default_rng(seed)
        size = [max(1, o - s) for o, s in zip(self.output, self.short)]
        shapes = (
            (self.n, self.c, *self.image),
            (self.k, self.c // self.groups, *self.kernel),
            (self.k,),
            (self.c,),
            (self.n, self.k, *size),
        )
        return [rng.standard_normal(shape).astype(dtype) for shape in shapes]

    def three(self, module, x, w, bias, back_bias, g):
        """The convolution and its two adjoints, by the functions of `module`."""
        geometry = (*self.geometry, self.groups)
        return (
            module.conv2d(x, w, bias, *geometry),
            module.conv2d_input_grad(g, w, back_bias, self.image, *geometry),
            module.conv2d_weight_grad(x, g, self.kernel, *geometry),
        )


def pairs(least, most):
    return st.tuples(st.integers(least, most), st.integers(least, most))


@st.composite
def cases(draw, channels=(1, 2, 3, 5, 16, 17, 33), most_images=5):
    kernel, dilation, padding = draw(pairs(1, 4)), draw(pairs(1, 3)), draw(pairs(0, 5))
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding)]
    extra = draw(pairs(0, 9))
    groups = draw(st.sampled_from((1, 1, 2, 3)))
    return Case(
        n=draw(st.integers(1, most_images)),
        c=groups * draw(st.sampled_from(channels)),
        k=groups * draw(st.sampled_from(channels)),
        image=(least[0] + extra[0], least[1] + extra[1]),
        kernel=kernel,
        stride=draw(pairs(1, 3)),
        padding=padding,
        dilation=dilation,
        groups=groups,
        short=draw(pairs(0, 1)),
    )


def naive(case, x, w, bias):
    """The sum in the first lines of the definition, index by index."""
    (sh, sw), (ph, pw), (dh, dw) = case.geometry
    y = np.zeros((case.n, case.k, *case.output))
    c_group, k_group = case.c // case.groups, case.k // case.groups
    for n, k, oh, ow in np.ndindex(*y.shape):
        y[n, k, oh, ow] = bias[k]
        for c, i, j in np.ndindex(c_group, *case.kernel):
            h, v = oh * sh + i * dh - ph, ow * sw + j * dw - pw
            if 0 <= h < case.image[0] and 0 <= v < case.image[1]:
                y[n, k, oh, ow] += w[k, c, i, j] * x[n, k // k_group * c_group + c, h, v]
    return y


@settings(max_examples=15)
@given(cases(channels=(1, 2), most_images=2))
@example(Case(2, 4, 6, (7, 5), (3, 2), (2, 3), (1, 0), (2, 1), 2))
def test_definition_is_the_sum_over_taps(case):
    x, w, bias, _, _ = case.arrays(np.float64)
    got = definition.conv2d(x, w, bias, *case.geometry, case.groups)
    np.testing.assert_allclose(got, naive(case, x, w, bias), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("module", MODULES[:2])
@given(case=cases())
def test_adjoints_are_adjoint(module, case):
    """<g, conv(x, w)> = <x, input_grad(g, w)> = <w, weight_grad(x, g)>: CHECKS 38."""
    x, w, _, _, g = replace(case, short=(0, 0)).arrays(np.float64)
    y, dx, dw = case.three(module, x, w, None, None, g)
    inner = np.vdot(g, y)
    scale = np.linalg.norm(g) * np.linalg.norm(y) + 1
    assert abs(np.vdot(x, dx) - inner) < 1e-12 * scale
    assert abs(np.vdot(w, dw) - inner) < 1e-12 * scale


def tolerance(case):
    """Error allowed, as a part of the largest result: more where Winograd's transforms are used."""
    return 1e-5 if tiles.suits(case.c, case.k, case.kernel, case.stride, case.dilation, case.groups) else 4e-6


def check_against_definition(case, arrays, module=cpu):
    got = case.three(module, *arrays)
    want = case.three(definition, *(a.astype(np.float64) for a in arrays))
    for a, b in zip(got, want):
        assert a.dtype == np.float32
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance(case) * max(1, abs(b).max()))
    for image in got[:2]:
        assert image.transpose(0, 2, 3, 1).flags.c_contiguous  # NHWC in memory


@settings(max_examples=60)
@given(cases())
@example(Case(1, 1, 32, (28, 28), (3, 3), padding=(1, 1)))
@example(Case(1, 3, 1, (1, 1), (1, 1)))
@example(Case(2, 1100, 3, (2, 3), (1, 1)))
@example(Case(1, 520, 40, (3, 4), (1, 3), padding=(0, 1)))
@example(Case(3, 5, 7, (40, 90), (3, 3), padding=(1, 1)))
@example(Case(1, 128, 16, (70, 70), (3, 3), (2, 2), (1, 1)))
@example(Case(5, 32, 48, (14, 10), (4, 4), (2, 2), (1, 1)))
@example(Case(4, 6, 6, (9, 8), (3, 3), padding=(1, 1), groups=6))
@example(Case(3, 40, 3, (9, 17), (3, 5), padding=(3, 1), dilation=(2, 1)))
@example(Case(3, 40, 1, (9, 17), (3, 3), padding=(3, 3)))
@example(Case(2, 1, 64, (28, 24), (4, 4), (2, 2), (1, 1), short=(1, 1)))
@example(Case(2, 1040, 3, (3, 5), (3, 3), padding=(1, 1)))
def test_cpu_equals_definition(case):
    check_against_definition(case, case.arrays(np.float32))


@settings(max_examples=30)
@given(cases(), st.sampled_from((1, 2, 4, 8)), st.sampled_from((LANES, 3 * LANES)))
@example(Case(3, 1, 1, (14, 14), (7, 7), padding=(3, 3)), 1, 2 * LANES)
@example(Case(3, 1, 1, (9, 8), (3, 3), stride=(2, 3), padding=(1, 2), dilation=(2, 1)), 4, 2 * LANES)
def test_groups_of_few_channels_equal_the_definition(case, size, channels):
    size = min(size, LANES)
    case = replace(case, c=channels, k=channels, groups=channels // size)
    assert grouped.suits(case.c, case.k, case.groups)
    check_against_definition(case, case.arrays(np.float32))


@needs_compiler
@settings(max_examples=12)
@given(cases(channels=(1, 3, 4, 8, 20), most_images=2))
@example(Case(2, 1, 32, (9, 9), (3, 3), padding=(1, 1)))
@example(Case(1, 36, 33, (6, 5), (3, 3), padding=(1, 1)))
@example(Case(2, 12, 8, (6, 6), (4, 4), (2, 2), (1, 1)))
@example(Case(2, 6, 6, (7, 8), (3, 3), padding=(1, 1), groups=6))
@example(Case(1, 8, 6, (5, 20), (1, 2), (4, 5), dilation=(1, 10)))  # phases that no tap reaches
@example(Case(1, 5, 130, (6, 6), (4, 3), (2, 2), (1, 1)))  # the image's gradient in parts; phases of fewer taps
@example(Case(3, 8, 8, (20, 20), (1, 1), short=(1, 1)))  # and here that of the filters
def test_cuda_equals_definition(case):
    check_against_definition(case, case.arrays(np.float32), simulated("convolution"))


@needs_compiler
def test_cuda_in_float64():
    case = Case(2, 6, 10, (6, 5), (3, 2), (2, 1), (1, 1), dilation=(1, 2))
    arrays = case.arrays(np.float64)
    for found, exact in zip(case.three(simulated("convolution"), *arrays), case.three(definition, *arrays)):
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-14 * abs(exact).max())


OF_EACH_FORM = [
    Case(3, 32, 32, (9, 8), (3, 3), padding=(1, 1)),
    Case(2, 3, 5, (6, 7), (2, 3)),
    Case(30, 3, 5, (6, 7), (2, 3)),  # images together, the last ones fewer
    Case(2, 3, 40, (70, 33), (3, 3), (2, 1), (1, 1)),  # an image in bands
    Case(3, 32, 3, (20, 20), (3, 3), padding=(1, 1)),
    Case(3, 32, 32, (20, 9), (3, 3), padding=(1, 1), groups=16),
]


@pytest.mark.parametrize("slope", [0.0, 1.0])
@pytest.mark.parametrize("case", [*OF_EACH_FORM, Case(70, 32, 64, (7, 7), (3, 3), padding=(1, 1))])
def test_a_bias_for_each_image(case, slope):
    x, w, _, _, g = case.arrays(np.float32)
    rng = np.random.default_rng(1)
    bias, back_bias = (rng.standard_normal((case.n, channels)).astype(np.float32) for channels in (case.k, case.c))
    rest = (*case.geometry, case.groups)
    for module in (cpu, definition):
        for y, plain, own in (
            (module.conv2d(x, w, bias, *rest, slope), module.conv2d(x, w, None, *rest), bias),
            (
                module.conv2d_input_grad(g, w, back_bias, case.image, *rest, slope),
                module.conv2d_input_grad(g, w, None, case.image, *rest),
                back_bias,
            ),
        ):
            expected = plain + own[:, :, None, None]
            expected = np.where(expected > 0, expected, slope * expected)
            np.testing.assert_allclose(y, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("slope", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("case", OF_EACH_FORM)
def test_a_rectifier_behind_the_convolution(case, slope):
    x, w, bias, bias_of_x, g = case.arrays(np.float32)
    forward = lambda module, *slope: module.conv2d(x, w, bias, *case.geometry, case.groups, *slope)
    adjoint = lambda module, *slope: module.conv2d_input_grad(
        g, w, bias_of_x, case.image, *case.geometry, case.groups, *slope
    )
    for run in (forward, adjoint):
        y = run(cpu)
        for module, tolerance in ((cpu, 0), (definition, 1e-5 * np.abs(y).max())):
            found = run(module, slope)
            np.testing.assert_allclose(found, np.where(y > 0, y, np.float32(slope) * y), rtol=0, atol=tolerance)
    bias[1] = -np.inf
    for module in (cpu, definition):
        found = module.conv2d(x, w, bias, *case.geometry, case.groups, slope)
        assert (found[:, 1] == (0 if slope == 0 else -np.inf)).all()
        assert np.isfinite(found[:, 0]).all()
    x[0, 0, 3, 3] = np.inf
    if slope == 0:
        assert not np.isinf(cpu.conv2d(x, -np.abs(w), None, *case.geometry, case.groups, slope)).any()


LAYOUTS = {
    "NCHW": lambda a: np.ascontiguousarray(a),
    "NHWC": lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "channels of a wider NHWC": lambda a: (
        np.concatenate([a, a], 1).transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)[:, : a.shape[1]]
    ),
    "sliced": lambda a: np.repeat(np.repeat(a, 2, axis=1), 2, axis=3)[:, ::2, :, ::2],
    "cropped": lambda a: np.pad(a, ((0, 0), (0, 0), (1, 2), (3, 1)))[:, :, 1:-2, 3:-1],
    "reversed": lambda a: np.ascontiguousarray(a[:, :, ::-1])[:, :, ::-1],
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 50])
@pytest.mark.parametrize("module", MODULES[1:])
def test_any_memory_layout_gives_the_same_numbers(module, layout, channels):
    case = Case(3, channels, 2 * channels, (13, 21), (3, 2), (2, 1), (1, 0))
    x, w, bias, back_bias, g = case.arrays(np.float32)
    want = case.three(module, x, w, bias, back_bias, g)
    put = LAYOUTS[layout]
    got = case.three(module, put(x), put(w), bias[::-1].copy()[::-1], back_bias, put(g))
    for a, b in zip(got, want):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_images_give_no_images_and_no_weight_gradient(module, dtype):
    case = Case(0, 3, 4, (5, 6), (3, 3), padding=(1, 1))
    y, dx, dw = case.three(module, *case.arrays(dtype))
    assert (y.shape, dx.shape) == ((0, 4, 5, 6), (0, 3, 5, 6))
    assert (dw == 0).all()
    assert dw.shape == (4, 3, 3, 3)
    assert y.dtype == dx.dtype == dw.dtype == dtype


@pytest.mark.parametrize("case", [Case(5, 32, 32, (9, 9), (3, 3)), Case(5, 9, 20, (9, 9), (3, 3))])
def test_one_thread_gives_the_numbers_of_many(case):
    """And one thread, or many, give their own numbers bit for bit."""
    arrays = case.arrays(np.float32)
    many = case.three(cpu, *arrays)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        one, again = case.three(cpu, *arrays), case.three(cpu, *arrays)
    finally:
        numba.set_num_threads(before)
    for a, b, c in zip(one, many, again):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * abs(b).max())
        np.testing.assert_array_equal(a, c)


def test_results_repeat_bit_for_bit_and_scratch_holds_nothing_over():
    """A large convolution in between leaves its numbers in every buffer that is used again."""
    small = Case(3, 16, 20, (6, 7), (3, 3), (2, 1), (1, 2))
    large = Case(4, 48, 40, (20, 20), (3, 3), padding=(2, 2))
    arrays = small.arrays(np.float32)
    before = small.three(cpu, *arrays)
    large.three(cpu, *(np.full_like(a, np.nan) for a in large.arrays(np.float32)))
    for a, b in zip(small.three(cpu, *arrays), before):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("size", [1, 40, 1 << 25])
def test_scratch_begins_on_a_cache_line(size):
    """A vector across two of them loads at half the speed: Winograd's transforms took up to a quarter longer."""
    array = scratch(f"test {size}", 2, size)
    assert [row.ctypes.data % 64 for row in array] == [0, 0]
    assert array.shape[0] == 2
    assert array.shape[1] >= size


@settings(max_examples=30)
@given(cases(channels=(LANES, 2 * LANES, 3 * LANES)), st.sampled_from(((3, 1), (2, 1), (4, 2), (6, 2))))
@example(Case(1, 16, 16, (40, 90), (3, 3), padding=(1, 1)), (3, 1))
@example(Case(5, 112, 16, (14, 14), (4, 4), padding=(1, 1)), (4, 2))
@example(Case(9, 32, 48, (5, 6), (3, 3), padding=(1, 1)), (3, 1))
def test_winograd_equals_definition(case, kernel_and_stride):
    kernel, stride = kernel_and_stride
    case = replace(case, c=case.c // case.groups, k=case.k // case.groups, groups=1, dilation=(1, 1))
    case = replace(case, kernel=(kernel, kernel), stride=(stride, stride))
    case = replace(case, image=(max(case.image[0], kernel), max(case.image[1], kernel)))
    assert tolerance(case) == 1e-5
    with pytest.MonkeyPatch.context() as patch:  # also where the direct form would be faster
        patch.setattr(tiles, "pays", lambda *_: True)
        for cached in (cpu._forward, cpu._backward, cpu._weights):
            patch.setattr(cpu, cached.__name__, cached.__wrapped__)
        check_against_definition(case, case.arrays(np.float32))


@pytest.mark.parametrize("cells", [*range(1, 30), 112])
def test_tiles_cover_an_axis_in_the_fewest_products(cells):
    """As few tiles as can be, one after the other; none but the last, of an axis of 1, 2 or 5 cells, reaches out."""
    cut = tiles.cut(cells)
    assert len(cut) == -(-cells // TILE)
    assert {size for _, size in cut} <= {TILE, TILE - 1}
    assert [first for first, _ in cut] == [sum(size for _, size in cut[:i]) for i in range(len(cut))]
    assert sum(size for _, size in cut) == {1: 3, 2: 3, 5: 6}.get(cells, cells)


@pytest.mark.parametrize(("stride", "spread"), [(1, 16), (2, 9)])
def test_nan_reaches_the_outputs_that_see_it(stride, spread):
    """No further than that at stride 2; no further than its tiles of 4x4, in its own image, with Winograd."""
    case = Case(2, 16, 16, (17, 17), (3, 3), (stride, stride), padding=(1, 1))
    x, w, bias, _, _ = case.arrays(np.float32)
    x[1, 3, 5, 5] = np.nan
    seen = np.isnan(definition.conv2d(x, w, bias, *case.geometry))
    got = np.isnan(cpu.conv2d(x, w, bias, *case.geometry))
    assert got[seen].all()
    assert got.sum() <= max(seen.sum(), 16 * spread * (stride == 1))


@pytest.mark.parametrize("module", MODULES)
def test_a_wrong_shape_is_named(module):
    x, w = np.zeros((2, 4, 5, 5), np.float32), np.zeros((6, 3, 3, 3), np.float32)
    with pytest.raises(ValueError, match="needs 3 input channels"):
        module.conv2d(x, w)
    with pytest.raises(ValueError, match="does not fit"):
        module.conv2d(x[:, :3, :2], w)
    with pytest.raises(ValueError, match=r"bias must have shape \(6,\)"):
        module.conv2d(x[:, :3], w, np.zeros(5, np.float32))
    with pytest.raises(ValueError, match=r"one for each image, \(2, 6\), found \(3, 6\)"):
        module.conv2d(x[:, :3], w, np.zeros((3, 6), np.float32))
    with pytest.raises(ValueError, match=r"gives an output \(2, 6, 3, 3\), found \(2, 6, 4, 3\)"):
        module.conv2d_input_grad(np.zeros((2, 6, 4, 3), np.float32), w, None, (5, 5))
    with pytest.raises(ValueError, match="stride must be at least 1"):
        module.conv2d(x[:, :3], w, None, (0, 1))
