"""A state split into arrays and JSON comes together again, bit by bit."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygen.training import tree

arrays = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]), hnp.array_shapes(min_dims=0, max_side=3)
)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
keys = st.text("abc~", min_size=1, max_size=3) | st.integers(0, 9)
trees = st.recursive(
    plain | arrays,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@given(trees)
def test_join_undoes_split_also_through_json(state: Any) -> None:
    found, rest = tree.split(state)
    assert same(tree.join(found, json.loads(json.dumps(rest))), state)


def test_arrays_are_copies_under_the_path_that_leads_to_them() -> None:
    weight = np.arange(6.0).reshape(2, 3).T
    found, _ = tree.split({"model": {"conv.weight": weight}, "moments": [weight]})
    assert set(found) == {"model.conv.weight", "moments.0"}
    weight[:] = 0
    assert found["model.conv.weight"].flags.c_contiguous
    assert found["model.conv.weight"][2, 1] == 5


def test_two_arrays_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"two arrays of the state have the name a\.b"):
        tree.split({"a": {"b": np.zeros(1)}, "a.b": np.zeros(1)})


def test_what_a_checkpoint_cannot_hold_is_named() -> None:
    with pytest.raises(TypeError, match=r"model\.hook is a object"):
        tree.split({"model": {"hook": object()}})
