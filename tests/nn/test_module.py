"""A module is the tree of its attributes: names, state, switches, copies, and what does not fit is refused whole."""

import copy
import pickle

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.autodiff.backward import MutationError


class Block(nn.Module):
    def __init__(self, rng):
        self.scale = nn.Parameter(tg.ones(3))
        self.body = nn.Sequential(nn.Linear(3, 3, rng=rng), nn.ReLU(), nn.BatchNorm1d(3))
        self.extra = nn.ModuleList([nn.Linear(3, 2, bias=False, rng=rng)])
        self.register_buffer("offset", tg.zeros(3))
        self.register_buffer("cache", tg.zeros(1), persistent=False)

    def forward(self, x):
        return self.extra[0](self.body(x) * self.scale + self.offset)


@pytest.fixture
def block():
    return Block(tg.random.Generator(0))


NAMES = ["scale", "body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias", "extra.0.weight"]


def test_parameters_are_named_by_the_path_of_attributes_own_ones_first(block):
    assert [name for name, _ in block.named_parameters()] == NAMES
    assert [id(p) for p in block.parameters()] == [id(p) for _, p in block.named_parameters()]
    assert [name for name, _ in block.named_modules()] == [
        "",
        "body",
        "body.0",
        "body.1",
        "body.2",
        "extra",
        "extra.0",
    ]
    assert [name for name, _ in block.named_children()] == ["body", "extra"]


def test_the_state_is_parameters_and_persistent_buffers(block):
    running = ["body.2.running_mean", "body.2.running_var", "body.2.num_batches_tracked"]
    assert set(block.state_dict()) == {*NAMES, *running, "offset"}
    assert {name for name, _ in block.named_buffers()} == {*running, "offset", "cache"}
    assert not any(value.requires_grad for value in block.state_dict().values())


def test_an_attribute_set_later_or_to_none_changes_the_tree(block):
    block.scale = None
    block.head = nn.Linear(2, 1)
    names = [name for name, _ in block.named_parameters()]
    assert "scale" not in names
    assert names[-2:] == ["head.weight", "head.bias"]
    del block.head
    assert "head.weight" not in block.state_dict()


def test_a_shared_parameter_is_trained_once_and_saved_under_both_names():
    class Tied(nn.Module):
        def __init__(self):
            self.a = nn.Linear(2, 2)
            self.b = nn.Linear(2, 2)
            self.b.weight = self.a.weight

    tied = Tied()
    assert len(list(tied.parameters())) == 3
    assert {"a.weight", "b.weight"} <= tied.state_dict().keys()
    twin = copy.deepcopy(tied)
    assert twin.a.weight is twin.b.weight
    assert twin.a.weight is not tied.a.weight


def test_a_state_makes_another_module_compute_the_same(block):
    other = Block(tg.random.Generator(1))
    x = tg.random.Generator(2).normal((4, 3))
    assert not np.array_equal(other(x).detach(), block(x).detach())
    other.load_state_dict(block.state_dict())
    np.testing.assert_array_equal(other.eval()(x).detach(), block.eval()(x).detach())


def test_a_state_in_arrays_and_another_precision_is_converted(block):
    state = {name: np.asarray(value).astype(np.float64) for name, value in block.state_dict().items()}
    block.load_state_dict(state)
    assert block.scale.dtype == np.float32
    assert block.body[2].num_batches_tracked.dtype == np.int64


def test_a_state_that_does_not_fit_is_refused_in_one_line_and_nothing_is_written(block):
    before = {name: np.array(value) for name, value in block.state_dict().items()}
    state = {name: value + 1 for name, value in before.items()}
    del state["scale"]
    state["body.7.weight"] = np.zeros(2)
    state["extra.0.weight"] = np.zeros((3, 2))
    with pytest.raises(ValueError, match="does not fit Block") as error:
        block.load_state_dict(state)
    text = str(error.value)
    assert "\n" not in text
    assert "missing: scale" in text
    assert "unexpected: body.7.weight" in text
    assert "extra.0.weight is (3, 2), should be (2, 3)" in text
    for name, value in block.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_state_that_is_not_complete_may_be_loaded_on_request(block):
    left_out = block.load_state_dict({"scale": np.full(3, 7.0), "other": np.zeros(1)}, strict=False)
    assert left_out.missing[0] == "offset" or "offset" in left_out.missing
    assert left_out.unexpected == ["other"]
    np.testing.assert_array_equal(block.scale.detach(), 7.0)
    with pytest.raises(ValueError, match="wrong shape"):
        block.load_state_dict({"scale": np.zeros(4)}, strict=False)


def test_loading_makes_graphs_recorded_before_stale(block):
    y = block(tg.ones(2, 3)).sum()
    block.load_state_dict(block.state_dict())
    with pytest.raises(MutationError):
        y.backward()


def test_train_and_eval_reach_every_module(block):
    assert all(m.training for m in block.modules())
    assert block.eval() is block
    assert not any(m.training for m in block.modules())
    assert all(m.training for m in block.train().modules())


def test_gradients_are_switched_and_forgotten(block):
    block(tg.random.Generator(2).normal((4, 3))).sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    block.zero_grad()
    assert all(p.grad is None for p in block.parameters())
    block.requires_grad_(False)
    assert not block(tg.ones(4, 3)).requires_grad


def test_another_dtype_keeps_the_parameters_and_leaves_integers(block):
    parameters = [id(p) for p in block.parameters()]
    x = np.random.default_rng(0).normal(size=(4, 3))
    block(tg.tensor(x.astype(np.float32))).sum().backward()
    assert block.to("float64") is block
    assert block.scale.grad is None
    assert [id(p) for p in block.parameters()] == parameters
    assert {p.dtype.name for p in block.parameters()} == {"float64"}
    assert block.body[2].num_batches_tracked.dtype == np.int64
    assert block(tg.tensor(x)).dtype == np.float64
    block(tg.tensor(x)).sum().backward()
    assert block.scale.grad.dtype == np.float64
    with pytest.raises(ValueError, match="float99"):
        block.to("float99")


@pytest.mark.parametrize("use", [lambda x, w: x * w, lambda x, w: x @ w.T])
def test_a_graph_recorded_before_a_change_of_dtype_is_stale(use):
    layer = nn.Linear(3, 3)
    y = use(tg.ones(3, 3, requires_grad=True), layer.weight).sum()
    layer.to("float64")
    with pytest.raises(MutationError):
        y.backward()


def test_a_copy_is_independent(block):
    twin = copy.deepcopy(block)
    x = tg.random.Generator(2).normal((4, 3))
    np.testing.assert_array_equal(twin(x).detach(), block(x).detach())
    twin.scale._assign(0.0)
    assert float(block.scale.sum()) == 3.0
    assert all(p.requires_grad and isinstance(p, nn.Parameter) for p in twin.parameters())


def test_a_module_is_pickled_whole():
    layer = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    twin = pickle.loads(pickle.dumps(layer))
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], value)
    twin[0].weight._assign(0.0)  # writable, and a leaf
    assert twin[0].weight.requires_grad


def test_apply_visits_children_before_their_parent(block):
    seen = []
    block.apply(lambda m: seen.append(type(m).__name__))
    assert seen[-1] == "Block"
    assert seen.index("Linear") < seen.index("ModuleList")


def test_the_tree_is_printed(block):
    text = repr(block)
    assert "(body): Sequential(" in text
    assert "    (0): Linear(in_features=3, out_features=3, bias=True)" in text
    assert text.count("\n") == 9


def test_generators_of_dropout_layers_are_found_for_checkpoints():
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.Dropout(0.5))
    found = dict(net.named_generators())
    assert list(found) == ["1.rng", "2.rng"]
    assert net.state_dict().keys() == {"0.weight", "0.bias"}
    states = {name: g.state for name, g in found.items()}
    x = tg.ones(4, 2)
    first = np.array(net(x).detach())
    for name, g in net.named_generators():
        g.state = states[name]
    np.testing.assert_array_equal(net(x).detach(), first)


def test_a_sequence_of_modules_behaves_as_a_list():
    layers = [nn.Linear(2, 2) for _ in range(3)]
    for kind in (nn.Sequential(*layers), nn.ModuleList(layers)):
        assert len(kind) == 3
        assert list(kind) == layers
        assert kind[-1] is layers[2]
        assert list(kind[1:]) == layers[1:]
        assert type(kind[1:]) is type(kind)
        kind.append(nn.Identity())
        kind[0] = nn.Flatten()
        assert [type(m).__name__ for m in kind] == ["Flatten", "Linear", "Linear", "Identity"]
        with pytest.raises(IndexError, match="out of range for 4 modules"):
            kind[4]
    with pytest.raises(TypeError, match="holds modules, not int"):
        nn.ModuleList([3])


def test_what_is_no_module_is_said_plainly():
    with pytest.raises(AttributeError, match="Linear has no attribute 'weights'"):
        _ = nn.Linear(2, 2).weights
    with pytest.raises(AttributeError, match="ModuleList cannot be called"):
        nn.ModuleList([])(tg.ones(1))
    with pytest.raises(TypeError, match="buffer 'a' is a tensor that is no Parameter"):
        nn.Module().register_buffer("a", nn.Parameter(tg.ones(1)))
    with pytest.raises(TypeError, match="int64"):
        nn.Parameter(np.arange(3))


def test_a_parameter_copies_an_array_and_shares_a_tensor():
    array, tensor = np.zeros(3), tg.zeros(3)
    copied, shared = nn.Parameter(array), nn.Parameter(tensor)
    copied._assign(1.0)
    shared._assign(1.0)
    assert not array.any()
    assert float(tensor.sum()) == 3.0
