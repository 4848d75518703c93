"""Programs written for micrograd and its lecture, with the imports changed and nothing else."""

from __future__ import annotations

import itertools
import math
import random
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from engine import Value, draw_dot, trace
from nn import MLP, Layer, Neuron

# ── expressions ───────────────────────────────────────────────────────────────


def readme(value: Any) -> Any:
    """The README's expression: every operator, numbers on both sides, reassignment."""
    a = value(-4.0)
    b = value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    return g.data, a.grad, b.grad


def sanity(value: Any) -> Any:
    """One input used all over."""
    x = value(-4.0)
    z = 2 * x + 2 + x
    q = z.relu() + z * x
    h = (z * z).relu()
    y = h + q + q * x
    y.backward()
    return y.data, x.grad


def divisions(value: Any) -> Any:
    """Reflected operators and negative powers."""
    x, y = value(0.7), value(-1.3)
    z = 1 / x + x / y - y / 3 + (2 - x) * -y + x**-2 + y**3 + (x * y) ** 2
    z = 5 - z + 2 / z
    z.backward()
    return z.data, x.grad, y.grad


STORED = {
    readme: (24.70408163265306, 138.83381924198252, 645.5772594752186),
    sanity: (-20.0, 46.0),
    divisions: (1.8573283405507675, 8.69040083349316, -2.0059358960628098),
}


@pytest.mark.parametrize("program", STORED, ids=lambda program: program.__name__)
def test_expressions(program: Any) -> None:
    """The numbers that micrograd gives, stored, and live where it is installed."""
    assert program(Value) == pytest.approx(STORED[program], rel=1e-12)
    micrograd = pytest.importorskip("micrograd.engine")
    assert program(Value) == pytest.approx(program(micrograd.Value), rel=1e-13)


def test_the_attributes_of_a_node() -> None:
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c = a * b
    c.label = "c"
    assert (c._op, c.label, a._op) == ("*", "c", "")
    assert set(c._prev) == {a, b}
    assert tuple((a + a)._prev) == (a, a)
    assert tuple(a._prev) == ()
    assert all(isinstance(child, Value) for child in (a * 3 + 1)._prev)
    assert repr(a) == "Value(data=2.0, grad=0.0)"
    assert callable(a._backward)
    assert a._backward() is None


# ── the lecture ───────────────────────────────────────────────────────────────


def neuron() -> dict[str, Value]:
    """tanh(x1 w1 + x2 w2 + b), each step with its name."""
    v = {name: Value(data, label=name) for name, data in [("x1", 2.0), ("x2", 0.0), ("w1", -3.0), ("w2", 1.0), ("b", 6.8813735870195432)]}
    v["x1w1"], v["x2w2"] = v["x1"] * v["w1"], v["x2"] * v["w2"]
    v["x1w1x2w2"] = v["x1w1"] + v["x2w2"]
    v["n"] = v["x1w1x2w2"] + v["b"]
    return v


GRADIENTS = {"x1": -1.5, "w1": 1.0, "x2": 0.5, "w2": 0.0, "b": 0.5, "n": 0.5, "x1w1": 0.5}


def check(v: dict[str, Value], o: Value) -> None:
    assert o.data == pytest.approx(math.sqrt(0.5))
    assert {name: v[name].grad for name in GRADIENTS} == pytest.approx(GRADIENTS)


def test_the_neuron() -> None:
    v = neuron()
    o = v["n"].tanh()
    o.backward()
    check(v, o)
    assert o.grad == 1.0


def test_the_neuron_with_tanh_taken_apart() -> None:
    v = neuron()
    e = (2 * v["n"]).exp()
    o = (e - 1) / (e + 1)
    o.backward()
    check(v, o)


def test_backprop_driven_by_hand() -> None:
    """o.grad = 1.0, then `_backward()` of one node after the other."""
    v = neuron()
    o = v["n"].tanh()
    o.grad = 1.0
    o._backward()
    assert v["n"].grad == pytest.approx(0.5)
    v["n"]._backward()
    v["b"]._backward()
    v["x1w1x2w2"]._backward()
    v["x2w2"]._backward()
    v["x1w1"]._backward()
    check(v, o)


def test_a_topological_order_built_by_the_reader() -> None:
    v = neuron()
    e = (2 * v["n"]).exp()
    o = (e - 1) / (e + 1)
    topo: list[Value] = []
    visited = set()

    def build_topo(node: Value) -> None:
        if node not in visited:
            visited.add(node)
            for child in node._prev:
                build_topo(child)
            topo.append(node)

    build_topo(o)
    o.grad = 1.0
    for node in reversed(topo):
        node._backward()
    check(v, o)


def test_a_value_used_twice_by_hand() -> None:
    """The lecture's bug: an assignment in place of an addition; here contributions add."""
    a = Value(3.0, label="a")
    b = a + a
    b.grad = 1.0
    b._backward()
    assert a.grad == 2.0


def lecture_tanh(x: Value) -> Value:
    """A node made by hand, with a closure for its derivative."""
    t = (math.exp(2 * x.data) - 1) / (math.exp(2 * x.data) + 1)
    out = Value(t, (x,), "tanh")

    def _backward() -> None:
        x.grad += (1 - t**2) * out.grad

    out._backward = _backward
    return out


def test_a_node_made_by_hand() -> None:
    v = neuron()
    o = lecture_tanh(v["n"])
    assert o._op == "tanh"
    assert set(o._prev) == {v["n"]}
    o.backward()
    check(v, o)
    o.backward()
    assert v["x1"].grad == pytest.approx(-3.0)  # twice, not thrice
    assert v["n"].grad == pytest.approx(0.5)


def test_trace() -> None:
    """The set of nodes, and the set of (operand, user) pairs."""
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
    e = a * b
    d = e + c
    loss = d * d
    nodes, edges = trace(loss)
    assert nodes == {a, b, c, e, d, loss}
    assert edges == {(a, e), (b, e), (e, d), (c, d), (d, loss)}


def test_draw_dot() -> None:
    """A Graphviz digraph that shows labels, numbers and operations."""
    v = neuron()
    o = v["n"].tanh()
    o.label = "o"
    o.backward()
    dot = draw_dot(o)
    for word in ("x1", "w2", "6.88", "0.707", "tanh", "-1.5"):
        assert word in dot.source
    assert "LR" in draw_dot(o, format="svg", rankdir="LR").source
    assert "TB" in draw_dot(o, rankdir="TB").source


# ── the lecture's network, and its training loop ──────────────────────────────

XS = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
YS = [1.0, -1.0, -1.0, 1.0]


class TanhNeuron:
    """As the lecture writes it."""

    def __init__(self, nin: int):
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(random.uniform(-1, 1))

    def __call__(self, x: Any) -> Value:
        act = sum((wi * xi for wi, xi in zip(self.w, x, strict=True)), self.b)
        return act.tanh()

    def parameters(self) -> list[Value]:
        return [*self.w, self.b]


class TanhMLP:
    """Layers of them."""

    def __init__(self, nin: int, nouts: list[int]):
        sizes = [nin, *nouts]
        self.layers = [[TanhNeuron(sizes[i]) for _ in range(sizes[i + 1])] for i in range(len(nouts))]

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = [n(x) for n in layer]
        return x[0] if len(x) == 1 else x

    def parameters(self) -> list[Value]:
        return [p for layer in self.layers for n in layer for p in n.parameters()]


def trained_in_numpy(rounds: int, rate: float) -> list[float]:
    """The same network, weights drawn in the same order, its gradients written out by hand; the losses."""
    sizes, weights = [3, 4, 4, 1], []
    for fan_in, fan_out in itertools.pairwise(sizes):
        rows = [[random.uniform(-1, 1) for _ in range(fan_in + 1)] for _ in range(fan_out)]
        weights.append(np.array(rows))
    x0, y, losses = np.array(XS), np.array(YS)[:, None], []
    for _ in range(rounds):
        inputs, h = [], x0
        for w in weights:
            inputs.append(np.hstack([h, np.ones((4, 1))]))
            h = np.tanh(inputs[-1] @ w.T)
        losses.append(float(np.sum((h - y) ** 2)))
        g = 2 * (h - y)
        outs = [*(i[:, :-1] for i in inputs[1:]), h]
        for i in reversed(range(3)):
            g = g * (1 - outs[i] ** 2)
            step = g.T @ inputs[i]
            g = (g @ weights[i])[:, :-1]
            weights[i] = weights[i] - rate * step
    return losses


def test_the_lectures_training_loop() -> None:
    """Loss by loss what the same network does in NumPy, and it learns the four answers."""
    random.seed(42)
    expected = trained_in_numpy(100, 0.1)
    random.seed(42)
    n = TanhMLP(3, [4, 4, 1])
    assert len(n.parameters()) == 41
    losses = []
    for _ in range(100):
        ypred = [n(x) for x in XS]
        loss = sum((yout - ygt) ** 2 for ygt, yout in zip(YS, ypred, strict=True))
        for p in n.parameters():
            p.grad = 0.0
        loss.backward()
        for p in n.parameters():
            p.data += -0.1 * p.grad
        losses.append(loss.data)
    np.testing.assert_allclose(losses, expected, rtol=1e-8)
    assert losses[-1] < 0.05
    assert [round(n(x).data) for x in XS] == YS


# ── the demo notebook ─────────────────────────────────────────────────────────

# The notebook's first three losses and accuracies, made with micrograd 0.1.0.
NOTEBOOK = [(0.8958441028683222, 50), (1.723590533697202, 81), (0.7429006313851131, 77)]


def moons() -> tuple[np.ndarray, np.ndarray]:
    """The notebook's data and seeds."""
    datasets = pytest.importorskip("sklearn.datasets")
    np.random.seed(1337)  # noqa: NPY002
    random.seed(1337)
    x, y = datasets.make_moons(n_samples=100, noise=0.1)
    return x, y * 2 - 1


def notebook(model: Any, value: Any, x: np.ndarray, y: np.ndarray, rounds: int) -> list[tuple[float, int]]:
    """The notebook's training: a hinge loss with an L2 penalty."""
    history = []
    for k in range(rounds):
        inputs = [list(map(value, row)) for row in x]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        alpha = 1e-4
        reg_loss = alpha * sum(p * p for p in model.parameters())
        total_loss = data_loss + reg_loss
        accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(y, scores, strict=True)]
        model.zero_grad()
        total_loss.backward()
        learning_rate = 1.0 - 0.9 * k / 100
        for p in model.parameters():
            p.data -= learning_rate * p.grad
        history.append((float(total_loss.data), sum(accuracy)))
    return history


def test_the_notebook_gives_the_notebooks_numbers() -> None:
    x, y = moons()
    model = MLP(2, [16, 16, 1])
    assert len(model.parameters()) == 337
    for (loss, right), (expected, known) in zip(notebook(model, Value, x, y, len(NOTEBOOK)), NOTEBOOK, strict=True):
        assert loss == pytest.approx(expected, rel=1e-9)
        assert right == known


def test_the_notebook_beside_micrograd() -> None:
    """Parameter by parameter the same gradients, to the rounding of a sum."""
    micrograd: ModuleType = pytest.importorskip("micrograd.nn")
    x, y = moons()
    random.seed(7)
    ours = MLP(2, [16, 16, 1])
    random.seed(7)
    theirs = micrograd.MLP(2, [16, 16, 1])
    assert [p.data for p in ours.parameters()] == [p.data for p in theirs.parameters()]
    ours_history = notebook(ours, Value, x[:10], y[:10], 1)
    theirs_history = notebook(theirs, micrograd.Value, x[:10], y[:10], 1)
    assert ours_history == [(pytest.approx(loss, rel=1e-12), right) for loss, right in theirs_history]
    np.testing.assert_allclose([p.grad for p in ours.parameters()], [p.grad for p in theirs.parameters()], rtol=1e-11, atol=1e-14)
    assert repr(ours) == repr(theirs)


def test_a_batch_by_columns_gives_every_samples_score() -> None:
    """The same model on arrays: the decision boundary at once, and the same gradients."""
    x, y = moons()
    model = MLP(2, [16, 16, 1])
    one_by_one = [model(list(map(Value, row))) for row in x]
    assert all(isinstance(score, Value) for score in one_by_one)
    together = model([x[:, 0], x[:, 1]])
    np.testing.assert_allclose(together.data, [score.data for score in one_by_one], rtol=1e-12, atol=1e-14)
    sum((1 + -yi * score).relu() for yi, score in zip(y, one_by_one, strict=True)).backward()
    gradients = [p.grad for p in model.parameters()]
    model.zero_grad()
    (1 - y * together).relu().sum().backward()
    np.testing.assert_allclose([p.grad for p in model.parameters()], gradients, rtol=1e-10, atol=1e-12)


def test_a_batch_by_columns_learns_the_moons() -> None:
    x, y = moons()
    model = MLP(2, [16, 16, 1])
    for k in range(100):
        scores = model([x[:, 0], x[:, 1]])
        loss = np.mean((1 - y * scores).relu()) + 1e-4 * sum(p * p for p in model.parameters())
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= (1.0 - 0.9 * k / 100) * p.grad
    assert np.mean((scores.data > 0) == (y > 0)) == 1.0


def test_neuron_and_layer() -> None:
    random.seed(3)
    neuron = Neuron(2, nonlin=False)
    out = neuron([Value(1.0), Value(-2.0)])
    assert out.data == pytest.approx(neuron.w[0].data - 2 * neuron.w[1].data)
    out.backward()
    assert [p.grad for p in neuron.parameters()] == [1.0, -2.0, 1.0]
    assert repr(neuron) == "LinearNeuron(2)"
    layer = Layer(2, 3)
    assert len(layer([1.0, 2.0])) == 3
    assert isinstance(Layer(2, 1)([1.0, 2.0]), Value)
    assert isinstance(layer.parameters(), list)
    assert len(layer.parameters()) == 9


def test_numpy_scalars_on_the_left_stay_in_the_graph() -> None:
    """`-yi * score` with a NumPy label, as the notebook has it."""
    score = Value(0.3)
    for label in (np.int64(1), np.float64(-1.0), np.float32(1.0), np.bool_(True)):
        product = label * score
        assert isinstance(product, Value)
        product.backward()
    assert score.grad == pytest.approx(2.0)
    assert isinstance(1 + -np.int64(1) * score, Value)
