"""What a task sees of the arguments it is launched with."""

import numpy as np
import pytest

from tinygen.kernels.cpu.launch import doubles, flags, floats, integer, integers, launch, real, task


@task
def report(block, part, parts):
    """Arguments: seen; how many others; arrays of float32."""
    seen = doubles(block, 0)
    for i in range(integer(block, 1)):
        x = floats(block, 2 + i)
        seen[2 * i], seen[2 * i + 1] = len(x), x[0] if len(x) else -1


@task
def numbers(block, part, parts):
    """Arguments: seen; how many others; integers."""
    seen = integers(block, 0)
    for i in range(integer(block, 1)):
        seen[i] = integer(block, 2 + i)


@task
def kinds(block, part, parts):
    """Arguments: seen; arrays of float64, intp, bool."""
    seen = doubles(block, 0)
    seen[0], seen[1], seen[2] = doubles(block, 1)[1], integers(block, 2)[1], flags(block, 3)[1]


@task
def reals(block, part, parts):
    """Arguments: seen; how many others; floats."""
    seen = doubles(block, 0)
    for i in range(integer(block, 1)):
        seen[i] = real(block, 2 + i)


def lengths_and_first_entries(*arrays):
    seen = np.zeros((len(arrays), 2))
    launch(report, 1, seen, len(arrays), *arrays)
    return [tuple(row) for row in seen.tolist()]


class Own(np.ndarray):
    pass


def test_an_array_is_memory_from_its_first_entry_on_whatever_it_is_a_view_of():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    fixed = x.copy()
    fixed.flags.writeable = False
    views = [x, x[1:], x.transpose(2, 1, 0), x[:, 1:, ::2], x[::-1], fixed, x.view(Own), np.full((), 7, np.float32)]
    expected = [(24, 0), (12, 12), (24, 0), (8, 4), (24, 12), (24, 0), (24, 0), (1, 7)]
    assert lengths_and_first_entries(*views) == expected


def test_an_array_may_be_empty_and_of_many_axes():
    assert lengths_and_first_entries(np.zeros((0,), np.float32), np.zeros((3, 0, 2), np.float32)) == [(0, -1)] * 2
    assert lengths_and_first_entries(np.full((1, 2) * 16, 3, np.float32)) == [(2**16, 3)]


def test_integers_are_pythons_numpys_and_truths():
    given = [0, 1, -1, -7, 2**62, -(2**62), True, False, np.int64(5), np.uint8(200), np.bool_(1).item()]
    seen = np.zeros(len(given), np.intp)
    launch(numbers, 1, seen, len(given), *given)
    assert seen.tolist() == given


def test_a_float_is_pythons_or_numpys_of_its_precision_or_an_integer():
    given = [0.5, -1e-300, float("inf"), np.float64(0.1), 3, -2, 0]
    seen = np.zeros(len(given))
    launch(reals, 1, seen, len(given), tuple(given))
    assert seen.tolist() == given


def test_a_tuple_stands_for_as_many_arguments():
    seen = np.zeros(7, np.intp)
    launch(numbers, 1, seen, (7, 10), 11, (), (12, 13, 14), 15, (16,))
    assert seen.tolist() == list(range(10, 17))
    seen = np.zeros((2, 2))
    launch(report, 1, seen, 2, (np.ones(3, np.float32), np.zeros(2, np.float32)))
    assert seen.tolist() == [[3, 1], [2, 0]]


def test_every_thread_sees_the_same_arguments():
    seen = np.zeros(300, np.intp)
    launch(numbers, 2, seen, 300, tuple(range(1000, 1300)))
    assert seen.tolist() == list(range(1000, 1300))


def test_arrays_of_other_kinds():
    seen = np.zeros(3)
    launch(kinds, 1, seen, np.array([0.5, 2.5]), np.array([3, 4], np.intp), np.array([False, True]))
    assert seen.tolist() == [2.5, 4, 1]


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("wrong", [2.5j, None, "3", [1], ((1,),), np.float32(1)])
def test_anything_else_is_an_error_and_the_next_launch_is_well(wrong, parts):
    seen = np.zeros(1, np.intp)
    with pytest.raises(TypeError, match="a task is given arrays, integers, floats, and tuples of these"):
        launch(numbers, parts, seen, 1, wrong)
    launch(numbers, parts, seen, 1, 4)
    assert seen.tolist() == [4]


@task
def count_up(block, part, parts):
    """Arguments: one number for each part."""
    integers(block, 0)[part] += part + 1


@task
def add_up(block, part, parts):
    """Arguments: one number for each part; a sum for each."""
    counted, sums = integers(block, 0), integers(block, 1)
    for other in range(parts):
        sums[part] += counted[other]


@pytest.mark.parametrize("parts", [1, 7])
def test_a_second_stage_sees_what_all_parts_of_the_first_have_done(parts):
    counted, sums = np.zeros(parts, np.intp), np.zeros(parts, np.intp)
    both = count_up.then(add_up)
    launch(both, parts, counted, sums)
    assert sums.tolist() == [parts * (parts + 1) // 2] * parts
    launch(both.then(count_up), parts, counted, sums)
    assert counted.tolist() == [3 * (part + 1) for part in range(parts)]
    launch(count_up, parts, counted, sums)  # which is as it was
    assert sums[0] == parts * (parts + 1) // 2 * 3
