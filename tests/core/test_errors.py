"""What a wrong line is told: the operation, the operand by its label, the shapes, and what to write instead."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import engine
from engine import MutationError, Value
from engine.primitives import TABLE

W = np.ones((2, 3))


def leaves() -> dict[str, Value]:
    """A matrix, a vector and a scalar with labels."""
    return {"w": Value(W, label="w"), "x": Value(np.ones(4), label="x"), "s": Value(2.0, label="s")}


def changed(v: dict[str, Value]) -> Any:
    """A pass after its data was changed."""
    loss = (v["w"] * 2).sum()
    v["w"].data[0, 0] = 7.0
    loss.backward()


def freed(v: dict[str, Value]) -> Any:
    """A pass over a graph that was let go."""
    loss = (v["w"] * 2).sum()
    loss.backward(retain_graph=False)
    loss.backward()


MISTAKES: list[tuple[Callable[[dict[str, Value]], Any], type[Exception], list[str]]] = [
    # shapes that do not fit: operation, labels, shapes
    (lambda v: v["w"] + v["x"], ValueError, ["add", "'w'", r"\(2, 3\)", "'x'", r"\(4,\)"]),
    (lambda v: v["w"] @ v["x"], ValueError, ["matmul", "'w'", r"\(2, 3\)", "'x'", r"\(4,\)"]),
    (lambda v: np.concatenate([v["w"], v["x"]]), ValueError, ["concatenate", "'w'", "'x'"]),
    (lambda v: np.stack([v["w"], v["x"]]), ValueError, ["stack", "'w'", r"\(4,\)"]),
    (lambda v: v["w"].reshape(4, 4), ValueError, ["reshape", "'w'", r"\(2, 3\)"]),
    (lambda v: np.einsum("ij,j->i", v["w"], v["x"]), ValueError, ["einsum", "'w'", "'x'"]),
    (lambda v: np.tensordot(v["w"], v["x"], axes=1), ValueError, ["tensordot", r"\(2, 3\)", r"\(4,\)"]),
    (lambda v: np.broadcast_to(v["x"], (3, 3)), ValueError, ["broadcast_to", "'x'", r"\(4,\)"]),
    (lambda v: v["w"].sum(axis=5), ValueError, ["sum", "'w'", "axis 5"]),
    (lambda v: v["x"][9], IndexError, ["getitem", "'x'", "9"]),
    (lambda v: v["w"].transpose(0, 1, 2), ValueError, ["transpose", "'w'"]),
    (lambda v: np.split(v["x"], 3), ValueError, ["split", r"\(4,\)", "equal division"]),
    (lambda v: np.diag(np.ones((2, 2, 2)) * v["s"]), ValueError, ["diag", r"\(2, 2, 2\)"]),
    (lambda v: engine.gelu(v["x"], approximate="fast"), ValueError, ["gelu", "'fast'", "tanh"]),
    (lambda v: np.linalg.norm(v["w"], ord="nuc"), ValueError, ["norm", "'nuc'"]),
    (lambda v: np.pad(v["x"], 1, mode="linear_ramp"), TypeError, ["pad", "linear_ramp", "reflect"]),
    (lambda v: np.reshape(v["w"], (3, 2), order="F"), TypeError, ["reshape", "'F'", "transpose"]),
    # backward
    (lambda v: v["w"].backward(), ValueError, ["'w'", r"\(2, 3\)", r"\.sum\(\)\.backward\(\)"]),
    (lambda v: (v["w"] * 2).backward(np.ones(3)), ValueError, ["gradient", r"\(3,\)"]),
    (lambda v: v["s"].detach().backward(), ValueError, ["'s'", "requires a gradient", "no_grad"]),
    (changed, MutationError, ["multiply", "'w'", r"test_errors\.py:\d+", "changed", "forward pass again"]),
    (freed, RuntimeError, ["free"]),
    # leaving the graph
    (lambda v: float(v["s"]), TypeError, ["'s'", "leave the graph", r"\.item\(\)"]),
    (lambda v: np.asarray(v["x"]), TypeError, ["'x'", r"\(4,\)", r"\.data"]),
    (lambda v: np.array([v["s"], v["s"]]), TypeError, ["'s'", r"np\.stack"]),
    (lambda v: v["x"].__setitem__(0, 1.0), TypeError, ["'x'", "in place", r"np\.where"]),
    (lambda v: np.exp(v["x"], out=np.zeros(4)), TypeError, ["exp", "out="]),
    (lambda v: v["x"][v["s"]], TypeError, ["'s'", "index"]),
    (lambda v: v["x"].item(), ValueError, ["item", "'x'", "4"]),
    # no rule
    (lambda v: np.linalg.det(v["w"]), TypeError, [r"np\.linalg\.det", "rule", r"engine\.primitive", r"\.data"]),
    (lambda v: np.median(v["x"]), TypeError, [r"np\.median", "rule"]),
    (lambda v: np.add.accumulate(v["x"]), TypeError, [r"np\.add\.accumulate", "rule"]),
    # data
    (lambda v: Value(1j), TypeError, ["real", "complex"]),
    (lambda v: Value("text"), TypeError, ["real"]),
    (lambda v: Value([v["s"], 1.0]), TypeError, [r"np\.stack"]),
    (lambda v: Value(v["s"]), TypeError, ["'s'", "already"]),
    (lambda v: setattr(v["w"], "grad", np.ones(2)), ValueError, ["'w'", r"\(2,\)"]),
    # functions
    (lambda v: engine.grad(lambda x: x)(np.ones(3)), ValueError, ["grad", "scalar", r"\(3,\)", "jacobian"]),
    (lambda v: engine.grad(np.sin, 2)(1.0), TypeError, ["argnums=2", "1 positional"]),
    (lambda v: engine.primitive("half", lambda x: x / 2), TypeError, ["'half'", "vjp"]),
    (lambda v: engine.tanh(), TypeError, ["tanh", "1 operand"]),
    (lambda v: engine.nonsense, AttributeError, ["nonsense"]),
]


@pytest.mark.parametrize(("mistake", "error", "words"), MISTAKES, ids=[words[0] + f"-{i}" for i, (_, _, words) in enumerate(MISTAKES)])
def test_a_mistake_is_told_what_it_is(mistake: Callable[[dict[str, Value]], Any], error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        mistake(leaves())
    message = str(caught.value)
    for word in words:
        assert re.search(word, message), f"{word!r} is not in {message!r}"
    assert len(message) < 400


def test_the_line_that_is_blamed_is_the_users() -> None:
    """A traceback ends in the engine, but the message names the user's own line."""
    v = Value([1.0, 2.0])
    line = sys._getframe().f_lineno + 1
    loss = np.sum(engine.tanh(v) ** 2)
    v.data = [3.0, 4.0]
    with pytest.raises(MutationError, match=rf"tanh.*test_errors\.py:{line}\b"):
        loss.backward()


def test_a_rule_of_the_wrong_shape_is_told_so() -> None:
    """The user's own vjp returns a shape that broadcasting can't have made."""
    crooked = engine.primitive("crooked", lambda x: x * 2.0, lambda g, out, x: np.ones(7))
    with pytest.raises(ValueError, match=r"crooked.*\(7,\).*\(3,\)"):
        crooked(Value(np.ones(3))).sum().backward()


def test_a_rule_of_ones_own_is_equal_to_a_built_in_one() -> None:
    """Three lines: it dispatches, differentiates twice, counts among the table."""
    cube = engine.primitive("cube", lambda x: x**3, lambda g, out, x: 3 * g * x**2, symbol="³", elementwise=True)
    assert engine.cube is cube is TABLE["cube"]
    assert cube(2.0) == 8.0
    x = Value([1.0, 2.0])
    cube(x).sum().backward()
    np.testing.assert_array_equal(x.grad, [3.0, 12.0])
    assert engine.grad(engine.grad(engine.grad(cube)))(5.0) == 6.0
    assert cube(x)._op == "³"
    heaviside = engine.primitive("step", np.heaviside, lambda g, out, x, y: 0.0 * g, lambda g, out, x, y: g * (x == 0))
    assert np.heaviside(Value(2.0), 0.5).data == 1.0
    assert heaviside(Value(0.0), 0.5).data == 0.5
    assert engine.step is heaviside


def test_an_operand_without_a_derivative_is_named() -> None:
    scaled = engine.primitive("scaled", lambda x, n: x * n, lambda g, out, x, n: g * n, None)
    x, n = Value(2.0), Value(3.0, label="n")
    with pytest.raises(TypeError, match=r"scaled.*operand 1.*'n'.*detach"):
        scaled(x, n).backward()
    scaled(x, n.detach()).backward()
    assert x.grad == 3.0


def test_a_table_entry_replaced_is_replaced_everywhere() -> None:
    engine.primitive("twice", lambda x: 2 * x, lambda g, out, x: 2 * g)
    engine.primitive("twice", lambda x: 2 * x, lambda g, out, x: 20 * g)
    x = Value(1.0)
    engine.twice(x).backward()
    assert x.grad == 20.0
