"""Whole explanations, as they are read."""

from __future__ import annotations

import re
from textwrap import dedent

import numpy as np
import pytest

import engine
from engine import Value, explain

STEP = re.compile(r"^(\d+)\. (\S+) = ", re.MULTILINE)


def assert_told(value: Value, text: str, **options: int) -> None:
    assert str(explain(value, **options)) == dedent(text).strip()


def test_a_value_used_several_times() -> None:
    a = Value(3.0, label="a")
    b = a * a
    out = b * a + b
    out.label, b.label = "out", "b"
    assert_told(
        out,
        """
        out = 36. No backward pass has left a gradient here yet; call out.backward() first.

        1. out = v2 + b = 36
           ∂out/∂v2 = 1
           ∂out/∂b = 1

        2. v2 = b * a = 27
           ∂v2/∂b = a = 3
           ∂v2/∂a = b = 9

        3. b = a * a = 9
           ∂b/∂a (operand 1) = a = 3
           ∂b/∂a (operand 2) = a = 3
        """,
    )
    out.backward()
    assert_told(
        out,
        """
        out = 36. The backward pass starts here, with ∂out/∂out = 1.

        1. out = v2 + b = 36
           ∂out/∂v2 = 1; it passes 1 · 1 = 1 back to v2
           ∂out/∂b = 1; it passes 1 · 1 = 1 back to b

        2. v2 = b * a = 27
           ∂out/∂v2 = 1
           ∂v2/∂b = a = 3; it passes 3 · 1 = 3 back to b
           ∂v2/∂a = b = 9; it passes 9 · 1 = 9 back to a

        3. b = a * a = 9
           ∂out/∂b = 1 + 3 = 4; it is used 2 times, and the contributions add
           ∂b/∂a (operand 1) = a = 3; it passes 3 · 4 = 12 back to a
           ∂b/∂a (operand 2) = a = 3; it passes 3 · 4 = 12 back to a

        The gradients of what was given
           ∂out/∂a = 9 + 12 + 12 = 33; it is used 3 times, and the contributions add
        """,
    )


def test_a_pass_that_began_elsewhere() -> None:
    x = Value(2.0, label="x")
    y = x * -3.0
    y.label = "y"
    y.backward(-2.0)
    assert_told(
        y,
        """
        y = -6. The gradient that reached it is -2; from there on:

        1. y = x * -3 = -6
           ∂y/∂x = -3; it passes -3 · (-2) = 6 back to x

        The gradients of what was given
           x.grad = 6
        """,
    )
    z = Value(0.0, label="z") * 0.0
    z.backward(0.0)
    assert "it passes 0 · 0 = 0 back to z" in str(explain(z))


def test_arrays() -> None:
    v, w = Value([1.0, 2.0], label="v"), Value(2.0, label="w")
    t = (v * w * v).sum()
    t.label = "t"
    assert_told(
        t,
        """
        t = 10. No backward pass has left a gradient here yet; call t.backward() first.

        1. t = sum(v3) = 10   [sum: Σ x]
           its gradient times the matrix ∂t/∂v3 goes to v3

        2. v3 = v2 * v = [2.0, 8.0]
           ∂v3/∂v2 = v = [1.0, 2.0]
           ∂v3/∂v = v2 = [2.0, 4.0]

        3. v2 = v * w = [2.0, 4.0]
           ∂v2/∂v = w = 2
           ∂v2/∂w = v = [1.0, 2.0]
        """,
    )
    t.backward()
    assert_told(
        t,
        """
        t = 10. The backward pass starts here, with ∂t/∂t = 1.

        1. t = sum(v3) = 10   [sum: Σ x]
           it passes [1.0, 1.0] back to v3

        2. v3 = v2 * v = [2.0, 8.0]
           ∂t/∂v3 = [1.0, 1.0]
           ∂v3/∂v2 = v = [1.0, 2.0]; it passes [1.0, 2.0] back to v2
           ∂v3/∂v = v2 = [2.0, 4.0]; it passes [2.0, 4.0] back to v

        3. v2 = v * w = [2.0, 4.0]
           ∂t/∂v2 = [1.0, 2.0]
           ∂v2/∂v = w = 2; it passes [2.0, 4.0] back to v
           ∂v2/∂w = v = [1.0, 2.0]; it passes 5 back to w, summed over the copies that broadcasting made of it, from shape () to (2,)

        The gradients of what was given
           ∂t/∂v = [4.0, 8.0]; it is used 2 times, and the contributions add
           ∂t/∂w = 5
        """,
    )


def test_a_matrix_product_has_no_local_derivative_to_write_down() -> None:
    v = Value([1.0, 2.0], label="v")
    m = v @ v
    m.label = "m"
    m.backward()
    m.backward()
    assert_told(
        m,
        """
        m = 5. The backward pass starts here, with ∂m/∂m = 1.

        1. m = v @ v = 5
           it passes [1.0, 2.0] back to v
           it passes [1.0, 2.0] back to v

        The gradients of what was given
           ∂m/∂v = [2.0, 4.0]; it is used 2 times, and the contributions add; v.grad = [4.0, 8.0], together with earlier passes and other uses
        """,  # noqa: E501
    )


def test_kinks() -> None:
    k = engine.relu(Value(0.0, label="z"))
    k.label = "k"
    k.backward()
    assert_told(
        k,
        """
        k = 0. The backward pass starts here, with ∂k/∂k = 1.

        1. k = relu(z) = 0   [relu: max(0, x)]
           ∂k/∂z = 0; it passes 0 · 1 = 0 back to z
           a kink (x = 0): there is no derivative there, by convention it is 0

        The gradients of what was given
           ∂k/∂z = 0
        """,
    )
    assert "kink" not in str(explain(engine.relu(Value([1.0, -2.0]))))
    assert "a kink" in str(explain(np.maximum(Value(2.0), 2.0))), "also where one operand is a number"
    assert "kink" not in str(explain(np.maximum(Value(2.0), 1.0)))


def test_a_node_made_by_hand() -> None:
    a = Value(2.0, label="a")
    out = Value(4.0, (a,), "sq") * 2.0
    out.label = "out"
    assert_told(
        out,
        """
        out = 8. No backward pass has left a gradient here yet; call out.backward() first.

        1. out = v1 * 2 = 8
           ∂out/∂v1 = 2

        2. v1 = 4 was made by hand (sq); its own _backward passes the gradient on.
        """,
    )


def test_the_youngest_steps() -> None:
    c = Value(1.0, label="c")
    out = c
    for _ in range(5):
        out = out * c
    out.backward()
    assert_told(
        out,
        """
        v5 = 1. The backward pass starts here, with ∂v5/∂v5 = 1.

        1. v5 = v4 * c = 1
           ∂v5/∂v4 = c = 1; it passes 1 · 1 = 1 back to v4
           ∂v5/∂c = v4 = 1; it passes 1 · 1 = 1 back to c

        2. v4 = v3 * c = 1
           ∂v5/∂v4 = 1
           ∂v4/∂v3 = c = 1; it passes 1 · 1 = 1 back to v3
           ∂v4/∂c = v3 = 1; it passes 1 · 1 = 1 back to c

        … 3 older values are not told; explain(..., steps=20) tells more.

        Received so far
           c: 2, of 6 in all
        """,
        steps=2,
    )
    none = str(explain(out, steps=0))
    assert none.splitlines()[2:] == ["… 5 older values are not told; explain(..., steps=10) tells more."]
    assert "older" not in str(explain(out, steps=5))


def test_twenty_steps_are_told_by_default() -> None:
    v = Value(1.0, label="x")
    for _ in range(21):
        v = v.sin()
    v.backward()
    text = str(explain(v))
    assert [int(number) for number, _ in STEP.findall(text)] == list(range(1, 21))
    assert "… 1 older values" in text
    assert "Received" not in text, "the leaf received nothing in these steps"


@pytest.mark.parametrize("uses", [2, 6, 7])
def test_the_sum_of_contributions_is_written_out_up_to_six(uses: int) -> None:
    n = Value(-1.0, label="n")
    out = sum(n * float(k) for k in range(1, uses + 1)) - n
    out.backward()
    terms = " + ".join(["(-1)", *(f"{k}" for k in range(uses, 0, -1))]) + " = " if uses < 6 else ""
    total = sum(range(uses + 1)) - 1
    assert f"/∂n = {terms}{total}; it is used {uses + 1} times, and the contributions add" in str(explain(out))


def test_a_pass_that_kept_no_gradients_of_results() -> None:
    x = Value(2.0, label="x")
    y = x * 3 * x
    y.backward()
    z = x * 3 * x
    z.label = "z"
    assert "The gradients" not in str(explain(z)), "the gradient that x has was left by another pass"


@pytest.mark.filterwarnings("error")
def test_infinities_are_told_without_a_warning() -> None:
    with np.errstate(all="ignore"):
        x, v = Value(0.0, label="x"), Value([0.0, np.inf], label="v")
        out = x.log() + (abs(v) / v).sum()
        out.backward()
    text = str(explain(out))
    assert "∂v" in text
    assert "/∂x = inf" in text.replace("= 1 / x = ", "= ")
    assert "it is used" in text


def test_a_gradient_whose_parts_are_not_known_is_told_as_it_is() -> None:
    a = Value(2.0, label="a")
    b = a * 3
    b.label = "b"
    b.backward()
    out = b * b
    assert "2. b = a * 3 = 6\n   b.grad = 1\n" in str(explain(out)), "an earlier pass left it"
    c = a * 5
    c.label = "c"
    by_hand = Value(10.0, (c,), "same")

    def pass_on() -> None:
        c.grad += by_hand.grad

    by_hand._backward = pass_on
    (by_hand * 2).backward()
    assert "3. c = a * 5 = 10\n   c.grad = 2\n" in str(explain(by_hand * 2)), "a node made by hand passed it on"


@pytest.mark.filterwarnings("error")
def test_a_kink_is_looked_for_without_a_warning() -> None:
    infinite = Value([np.inf, 1.0], label="x")
    assert "a kink" in str(explain(np.maximum(infinite, Value([np.inf, 1.0], label="y"))))


@pytest.mark.parametrize("operations", [8, 9, 30])
def test_the_older_values_are_counted_whatever_was_read(operations: int) -> None:
    """Only some youngest values of a long graph are read; leaves, and what takes no part in the pass, are no steps to tell."""
    w, fixed = Value(1.0, label="w"), Value(2.0, requires_grad=False) * 3.0
    for out in (Value(1.0, label="x"), w):
        for _ in range(operations - 1):
            out = out * w
        out = out + fixed
        assert f"… {operations - 1} older values are not told; explain(..., steps=10)" in str(explain(out, steps=1))
        assert "older" not in str(explain(out, steps=operations))


def test_as_many_steps_are_told_as_were_asked_for() -> None:
    """Also where each step takes many values that were given."""
    out = Value([1.0], label="x")
    for _ in range(5):
        out = np.concatenate([out, *(Value([float(k)]) for k in range(30))])
    assert len(STEP.findall(str(explain(out, steps=3)))) == 3
    assert len(STEP.findall(str(explain(out)))) == 5
    a = Value(1.0, label="a")
    assert str(explain(((a * 1.0) * 1.0) * 1.0, steps=2)).startswith("v6 = 1."), "the names are those of the whole graph"


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_another_pass_is_noticed_whatever_the_size_of_the_gradients(size: float) -> None:
    x = Value(2.0, label="x")
    y = x * (3 * size) - x * (2 * size) - x * size
    y.backward()
    assert "earlier" not in str(explain(y)), "0, but for rounding errors, is what the contributions add up to"
    z = x * size
    z.backward()
    z.backward()
    assert f"x.grad = {2 * size:.6g}, together with earlier passes and other uses" in str(explain(z))


def test_a_label_cannot_break_a_line() -> None:
    out = Value(2.0, label="a\nb\x1b[0m") * 3.0
    out.label = "out"
    assert "\n1. out = a\\nb\\x1b[0m * 3 = 6\n   ∂out/∂a\\nb\\x1b[0m = 3" in str(explain(out))
