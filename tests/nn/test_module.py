"""Modules: their parameters and Modules, saving and loading, modes, hooks."""

import copy
import pickle

import numpy as np
import pytest

import nn
from engine import Parameter, Value
from nn import Linear, Module, ReLU, Sequential, Tanh


class Net(Module):
    """Parameters and Modules in every place where `Module` looks for them."""

    def __init__(self):
        self.scale = Parameter(2.0)
        self.layers = [Linear(2, 3), [Linear(3, 3)]]
        self.heads = {"a": Linear(3, 1), "b": (Linear(3, 2), Parameter([1.0, 2.0]))}
        self.shared = self.layers[0]
        self.name, self.constant = "net", Value([1.0])

    def forward(self, x):
        x = self.layers[1][0](np.tanh(self.layers[0](x))) * self.scale
        return self.heads["a"](x) + np.sum(self.heads["b"][0](x) * self.heads["b"][1], axis=-1, keepdims=True)


NAMES = [
    "scale", "heads.b.1", "layers.0.weight", "layers.0.bias", "layers.1.0.weight", "layers.1.0.bias",
    "heads.a.weight", "heads.a.bias", "heads.b.0.weight", "heads.b.0.bias",
]  # fmt: skip


# ── what they are made of ─────────────────────────────────────────────────────


def test_parameters_are_found_in_attributes_lists_tuples_and_dicts_once_each():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert isinstance(net.parameters(), list)
    assert all(isinstance(p, Parameter) for p in net.parameters())
    assert [name for name, _ in net.named_modules()] == ["", "layers.0", "layers.1.0", "heads.a", "heads.b.0"]
    net(np.ones((4, 2))).sum().backward()
    assert all(p.has_grad for p in net.parameters())
    net.zero_grad()
    assert not any(p.has_grad for p in net.parameters())


class Tied(Module):
    """One Parameter in two places of a Module and in a Module inside it."""

    def __init__(self):
        self.first = self.second = Parameter([[1.0, 2.0], [3.0, 4.0]])
        self.inner = Linear(2, 2, bias=False)
        self.inner.weight = self.first

    def forward(self, x):
        return self.inner(x @ self.first) @ self.second


def test_a_shared_parameter_counts_once():
    model = Tied()
    assert [name for name, _ in model.named_parameters()] == ["first"]
    assert repr(model).splitlines() == ["Tied · 4 parameters", "└─ inner Linear(2, 2, bias=False) · 4"]
    assert list(model.state_dict()) == ["first", "second", "inner.weight"]  # under each name, as in PyTorch
    optimizer = nn.optim.SGD(model.parameters(), lr=1.0)
    model(np.ones(2)).sum().backward()
    gradient = model.first.grad.copy()
    optimizer.step()
    np.testing.assert_array_equal(model.second.data, [[1.0, 2.0], [3.0, 4.0]] - gradient)
    assert model.inner.weight is model.first


def test_a_module_that_refers_to_its_parent_is_walked_once():
    net = Net()
    net.heads["a"].parent = net
    assert len(net.modules()) == 5
    assert len(net.parameters()) == len(NAMES)


def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert all(module.training for module in net.train().modules())


def test_a_module_without_forward_says_so():
    class Empty(Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty has no forward"):
        Empty()(1.0)


def test_sequential_applies_names_counts_and_slices():
    model = Sequential(Linear(2, 3), Tanh(), Linear(3, 1))
    x = np.random.default_rng(0).normal(size=(5, 2))
    np.testing.assert_array_equal(model(x).data, model[2](np.tanh(model[0](x))).data)
    assert len(model) == 3
    assert model[:2][0] is model[0]
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    named = Sequential({"hidden": Linear(2, 3), "score": Linear(3, 1)})
    assert list(named.state_dict()) == ["hidden.weight", "hidden.bias", "score.weight", "score.bias"]
    with pytest.raises(TypeError, match=r"'1' is <ufunc 'tanh'>"):
        Sequential(Linear(2, 3), np.tanh)


def test_the_repr_is_the_tree_with_its_parameter_counts():
    model = Sequential(Linear(2, 16), ReLU(), Sequential(Linear(16, 3, bias=False), nn.Dropout(0.5)))
    assert repr(model) == (
        "Sequential · 96 parameters\n├─ 0 Linear(2, 16) · 48\n├─ 1 ReLU()\n"
        "└─ 2 Sequential · 48\n   ├─ 0 Linear(16, 3, bias=False) · 48\n   └─ 1 Dropout(0.5)"
    )
    nested = Sequential(Sequential(ReLU(), Sequential(Tanh())), Sequential(ReLU()))
    assert repr(nested) == (
        "Sequential\n├─ 0 Sequential\n│  ├─ 0 ReLU()\n│  └─ 1 Sequential\n│     └─ 0 Tanh()\n└─ 1 Sequential\n   └─ 0 ReLU()"
    )
    assert repr(Linear(200, 16)) == "Linear(200, 16) · 3,216 parameters"


# ── saving and loading ────────────────────────────────────────────────────────


def test_state_goes_from_one_module_to_another_and_parameters_stay_the_same_objects():
    one, other, x = Net(), Net(), np.random.default_rng(0).normal(size=(4, 2))
    held = other.parameters()
    state = one.state_dict()
    assert other.load_state_dict(state) == ([], [])
    np.testing.assert_array_equal(other(x).data, one(x).data)
    assert all(a is b for a, b in zip(held, other.parameters(), strict=True))
    state["layers.0.weight"] += 1.0  # the state is a copy, so the weights do not change
    np.testing.assert_array_equal(other(x).data, one(x).data)
    assert other.scale.data == 2.0
    assert type(other.scale.data) is float


def test_buffers_are_saved_and_loaded_with_the_parameters():
    one, other = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    one(np.array([[1.0, 5.0], [3.0, 9.0]]))
    assert list(one.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    other.load_state_dict(one.state_dict())
    np.testing.assert_allclose(other.running_mean, [0.2, 0.7])
    assert other.num_batches_tracked == 1
    assert [name for name, _ in Sequential(one).named_buffers()] == ["0.running_mean", "0.running_var", "0.num_batches_tracked"]


def test_a_state_may_hold_values_lists_and_numbers():
    layer, values = Linear(2, 1), Linear(2, 1)
    layer.load_state_dict({"weight": [[1, 2]], "bias": [3.0]})
    assert layer.weight.data.tolist() == [[1.0, 2.0]]
    assert layer.weight.dtype == np.float64
    values.load_state_dict(dict(layer.named_parameters()))
    assert values.weight.data.tolist() == [[1.0, 2.0]]
    net = Net()
    net.load_state_dict({"scale": 4}, strict=False)
    assert net.scale.data == 4.0
    assert type(net.scale.data) is float


def test_what_is_loaded_is_a_copy():
    source, model = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    source(np.array([[1.0, 5.0], [3.0, 9.0]]))
    state = source.state_dict()
    kept = {name: np.array(array) for name, array in state.items()}
    model.load_state_dict(state)
    model.running_mean += 1.0
    model.weight.data += 1.0
    for name, array in source.state_dict().items():
        np.testing.assert_array_equal(array, kept[name])
        np.testing.assert_array_equal(state[name], kept[name])
    other = nn.BatchNorm1d(2)
    other.load_state_dict(state)
    for array in state.values():
        array += 1
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, kept[name])
        assert array.dtype == kept[name].dtype


def test_a_state_that_does_not_fit_is_refused_as_a_whole():
    net = Net()
    before, state = net.state_dict(), Net().state_dict()
    del state["scale"]
    state["heads.a.weight"] = np.ones((2, 3))
    state["extra"] = np.ones(1)
    with pytest.raises(
        ValueError, match=r"Net.*heads\.a\.weight has shape \(2, 3\), here it is \(1, 3\); missing: scale; unexpected: extra"
    ):
        net.load_state_dict(state)
    with pytest.raises(ValueError, match=r"heads\.a\.weight has shape"):
        net.load_state_dict(state, strict=False)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    del state["heads.a.weight"]
    assert net.load_state_dict(state, strict=False) == (["scale", "heads.a.weight"], ["extra"])
    np.testing.assert_array_equal(net.layers[0].weight.data, state["layers.0.weight"])


def test_modules_can_be_copied_and_pickled():
    net, x = Net(), np.ones((1, 2))
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(twin(x).data, net(x).data)
        assert not any(a is b for a, b in zip(twin.parameters(), net.parameters(), strict=True))


# ── hooks ─────────────────────────────────────────────────────────────────────


def test_hooks_run_around_each_call_until_they_are_taken_off():
    model, seen = Sequential(Linear(2, 3), ReLU()), []
    off = [
        model[0].register_forward_pre_hook(lambda module, args: seen.append((module, args))),
        model[1].register_forward_hook(lambda module, args, output: seen.append((module, args, output))),
    ]
    x = np.ones((1, 2))
    y = model(x)
    assert seen[0] == (model[0], (x,))
    assert seen[1][0] is model[1]
    assert seen[1][2] is y
    for remove in off:
        remove()
    model(x)
    assert len(seen) == 2


def test_each_hook_is_removed_by_itself():
    model, seen = Linear(2, 3), []

    def before(module, args):
        seen.append("before")

    def after(module, args, output):
        seen.append("after")

    remove_before = [model.register_forward_pre_hook(before) for _ in range(2)]
    remove_after = [model.register_forward_hook(after) for _ in range(2)]
    last = model.register_forward_hook(lambda *_: seen.append("last"))
    remove_before[0]()
    remove_after[1]()
    model(np.ones(2))
    assert seen == ["before", "after", "last"]
    remove_before[0]()  # a second time changes nothing
    last()
    model(np.ones(2))
    assert seen[3:] == ["before", "after"]


# ── shared parameters, in and out ─────────────────────────────────────────────


class Language(Module):
    """Tied weights: the embedding is the last layer's weight, and one block is used twice."""

    def __init__(self):
        self.embedding = nn.Embedding(5, 3, generator=0)
        self.block = nn.Sequential(Linear(3, 3, generator=1), nn.BatchNorm1d(3))
        self.again = self.block
        self.head = Linear(3, 5, bias=False, generator=2)
        self.head.weight = self.embedding.weight


def test_a_state_has_a_shared_parameter_under_each_of_its_names_and_takes_it_under_any():
    model = Language()
    state = model.state_dict()
    names = [f"{block}.{i}" for block in ("block", "again") for i in ("0.weight", "0.bias", "1.weight", "1.bias")]
    buffers = [f"{block}.1.{name}" for block in ("block", "again") for name in ("running_mean", "running_var", "num_batches_tracked")]
    assert set(state) == {"embedding.weight", "head.weight", *names, *buffers}
    for alias in ("embedding.weight", "head.weight"):
        other = Language()
        other.embedding.weight.data = np.zeros((5, 3))
        assert other.load_state_dict({name: array for name, array in state.items() if name != alias}) == ([], [])
        np.testing.assert_array_equal(other.head.weight.data, state["head.weight"])
        assert other.head.weight is other.embedding.weight
    with pytest.raises(ValueError, match=r"embedding.weight and head.weight are one parameter here, and differ"):
        model.load_state_dict(state | {"head.weight": np.zeros((5, 3))})
    without = {name: array for name, array in state.items() if name not in ("embedding.weight", "head.weight")}
    with pytest.raises(ValueError, match=r"missing: embedding.weight, head.weight"):
        model.load_state_dict(without)


def test_tied_weights_go_to_pytorch_and_back():
    torch = pytest.importorskip("torch")

    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(5, 3, dtype=torch.float64)
            self.block = torch.nn.Sequential(torch.nn.Linear(3, 3, dtype=torch.float64), torch.nn.BatchNorm1d(3, dtype=torch.float64))
            self.again = self.block
            self.head = torch.nn.Linear(3, 5, bias=False, dtype=torch.float64)
            self.head.weight = self.embedding.weight

    ours, theirs = Language(), Theirs()
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    other = Language()
    other.embedding.weight.data = np.zeros((5, 3))
    other.load_state_dict({name: tensor.numpy() for name, tensor in theirs.state_dict().items()})
    for name, array in ours.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array)
