"""`detect_anomaly` names the operation and the line; `draw_graph` shows every node."""

import inspect
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import tinygen as tg
from tinygen.autodiff.tape import mode, reachable


def leaf(*values):
    return tg.tensor(np.array(values, dtype=np.float64), requires_grad=True)


def here():
    """This file and the caller's line."""
    frame = inspect.currentframe().f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def test_the_first_bad_value_names_the_operation_and_the_line():
    x = leaf(1.0, 0.0)
    with tg.detect_anomaly():
        with pytest.raises(tg.AnomalyError) as caught:
            tg.log(x)
        assert str(caught.value).startswith(f"log made an infinity, at {__file__}:")
        with pytest.raises(tg.AnomalyError, match="log made a NaN"):
            tg.log(x - 1.0)


def test_the_line_is_the_users():
    def here_it_is():
        return here(), tg.log(leaf(-1.0))

    with pytest.raises(tg.AnomalyError, match=r"in here_it_is$") as caught, tg.detect_anomaly():
        here_it_is()
    line = inspect.getsourcelines(here_it_is)[1] + 1
    assert f"{__file__}:{line} " in str(caught.value)


def test_a_nan_inside_a_function_of_the_package_names_the_users_line():
    with tg.detect_anomaly(), pytest.raises(tg.AnomalyError, match=r"test_anomaly_and_drawing\.py:") as caught:
        tg.linalg.vecdot(tg.tensor([np.nan, 1.0]), tg.tensor([0.0, 1.0]))
    assert "multiply made a NaN" in str(caught.value)


def test_a_nan_in_the_backward_names_the_line_of_the_forward():
    with tg.detect_anomaly():
        x = leaf(0.0, 1.0)
        y, line = tg.sqrt(x), here()
        z = (y * np.array([0.0, 1.0])).sum()
        with pytest.raises(tg.AnomalyError) as caught:
            tg.grad(z, x)
    assert str(caught.value).startswith(f"the gradient of sqrt made a NaN, recorded at {line}")


def test_a_pole_that_where_keeps_out_of_the_gradient_is_none():
    with tg.detect_anomaly():
        x = leaf(0.0, 1.0)
        y = tg.where(np.array([False, True]), tg.sqrt(x), 0.0)
        assert tg.grad(y.sum(), x)[0].tolist() == [0, 0.5]


def test_outside_the_block_nothing_is_checked():
    with pytest.raises(tg.AnomalyError), tg.detect_anomaly():
        tg.log(leaf(-1.0))
    assert not mode.anomaly
    assert np.isnan(tg.log(leaf(-1.0)).item())


def test_integers_and_finite_values_pass():
    with tg.detect_anomaly():
        x = leaf(1.0, 2.0)
        assert tg.grad(tg.exp(x).sum() + tg.argmax(x), x)[0].shape == (2,)


# -- drawing -------------------------------------------------------------------------------------------------


def graph():
    x, w = leaf(1, 2, 3), tg.tensor(np.ones((3, 3)), requires_grad=True)
    y = tg.concat([x, tg.tanh(w @ x)]) + tg.softmax(tg.concat([x, x]))
    return y, tg.draw_graph(y)


def test_the_picture_is_valid_xml_with_every_node_and_edge():
    y, drawing = graph()
    root = ElementTree.fromstring(drawing.svg)
    space = "{http://www.w3.org/2000/svg}"
    names = [t.text for t in root.iter(f"{space}text") if t.get("font-weight") == "bold"]
    assert sorted(names) == sorted(node.name for node in reachable(y._node))
    assert len(root.findall(f"{space}path")) == len(drawing.edges)
    assert "(6,)" in drawing.svg


def test_every_edge_points_from_older_to_younger_and_into_place():
    _, drawing = graph()
    assert all(a < b and drawing.depth[a] < drawing.depth[b] for a, b in drawing.edges)
    assert drawing.nodes.count("leaf") == 2
    boxes = [e for e in ElementTree.fromstring(drawing.svg) if e.get("rx")]
    assert len({(e.get("x"), e.get("y")) for e in boxes}) == len(boxes) == len(drawing.nodes)


def test_the_dot_text_names_every_node_and_edge():
    _, drawing = graph()
    lines = drawing.dot.splitlines()
    assert lines[0].startswith("digraph")
    assert lines[-1] == "}"
    assert sum("->" in line for line in lines) == len(drawing.edges)
    assert sum("[label=" in line for line in lines) == len(drawing.nodes)


def test_saving_and_notebooks(tmp_path):
    _, drawing = graph()
    for name, text in (("g.svg", drawing.svg), ("g.dot", drawing.dot)):
        drawing.save(tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8") == text
    assert drawing._repr_svg_() == drawing.svg


def test_names_are_escaped():
    odd = tg.primitive(x=lambda g: g, name='a<b>&"c"')(lambda x: x * 1)
    drawing = tg.draw_graph(odd(leaf(1)))
    ElementTree.fromstring(drawing.svg)
    assert r"\"c\"" in drawing.dot


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="nothing was recorded"):
        tg.draw_graph(tg.tensor(1.0))
