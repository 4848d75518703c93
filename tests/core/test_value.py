"""A Value by itself: its data and what may be assigned to it, its gradient, its constants, and how it reads as text."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import engine
from engine import MutationError, Value

# ── assigning data ────────────────────────────────────────────────────────────

DATA: list[Any] = [3.0, 3, np.float32(3), [3.0, 4.0], [5.0, 6.0, 7.0], np.float32([3, 4])]


def kind(data: Any) -> str:
    return f"{type(data).__name__}-{np.asarray(data).dtype}-{np.shape(data)}"


@pytest.mark.parametrize("new", DATA, ids=kind)
@pytest.mark.parametrize("old", DATA, ids=kind)
@pytest.mark.parametrize("read", [False, True])
def test_a_leaf_after_an_assignment_is_like_a_new_one(old: Any, new: Any, read: bool) -> None:
    """Its gradient stays where shape and dtype are the same."""
    x, fresh, before = Value(old), Value(new), Value(old)
    if read:
        x.data  # noqa: B018  # the user could keep it, and write to it
    x.grad = 2.0
    x.data = new
    assert type(x.data) is type(fresh.data)
    assert (x.dtype, x.shape) == (fresh.dtype, fresh.shape)
    np.testing.assert_array_equal(x.data, new)
    assert x.has_grad == ((x.dtype, x.shape) == (before.dtype, before.shape))
    x.zero_grad()
    for value in (x, fresh):
        (value * value + np.multiply(value, value)).sum().backward()
    assert (type(x.grad), np.asarray(x.grad).dtype) == (type(fresh.grad), np.asarray(fresh.grad).dtype)
    np.testing.assert_array_equal(x.grad, fresh.grad)


@pytest.mark.parametrize("assign", [lambda x, a: None, lambda x, a: setattr(x, "data", a), lambda x, a: setattr(x, "data", a.__imul__(2))])
def test_an_array_that_was_handed_out_stays_the_leafs_own(assign: Any) -> None:
    """Also after `x.data *= 2`; and what is written to it later is noticed."""
    x = Value([1.0, 2.0], label="x")
    held = x.data
    assign(x, held)
    loss = (x * x).sum()
    held[0] = 9.0
    with pytest.raises(MutationError, match="'x'"):
        loss.backward()
    assert np.shares_memory(held, x.data)


def test_an_assigned_array_is_copied() -> None:
    x, given = Value([1.0, 2.0]), np.array([3.0, 4.0])
    x.data = given
    given[0] = 9.0
    np.testing.assert_array_equal(x.data, [3.0, 4.0])


def test_reading_data_after_a_write_does_not_hide_the_write() -> None:
    x = Value([1.0, 2.0], label="x")
    loss = (x * x).sum()
    x.data[0] = 9.0
    print(x.data)
    with pytest.raises(MutationError, match="'x'"):
        loss.backward()


def test_a_result_that_was_assigned_holds_the_new_numbers() -> None:
    y = Value([1.0, 2.0]) * 2.0
    y.data = [5.0, 6.0]
    np.testing.assert_array_equal(y.data, [5.0, 6.0])
    assert y.operands == ()
    assert not y.is_leaf


# ── plain data out ────────────────────────────────────────────────────────────


@pytest.mark.parametrize("data", [2.0, np.float32(2), [2.0], [[np.float32(2)]]], ids=kind)
def test_the_number_of_a_single_element_is_a_python_float(data: Any) -> None:
    value = Value(data)
    assert type(value.item()) is float
    assert value.item() == 2.0
    assert type(value.numpy()) is np.ndarray
    assert value.tolist() == np.array(data).tolist()


def test_a_sum_that_leaves_one_number_is_a_python_float() -> None:
    assert type(Value([1.0, 2.0]).sum().data) is type(np.sum(Value([1.0, 2.0])).data) is float
    assert type(Value(np.float32([1, 2])).sum().data) is np.float32


def test_the_primitive_that_made_it() -> None:
    x = Value(2.0)
    assert x.primitive is None
    assert (x * 3.0).primitive is engine.multiply
    assert (x * 3.0)._op == "*"


# ── gradients ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("data", [2.0, np.float32(2), [2.0, 3.0], np.float32([2, 3])], ids=kind)
@pytest.mark.parametrize("seed", [3, 3.0, np.float32(3), np.float64(3)], ids=kind)
def test_gradients_have_the_dtype_and_type_of_the_data(data: Any, seed: Any) -> None:
    """Whoever brings them: a pass with a seed of any dtype, or an assignment."""
    x = Value(data)
    (x * 2.0).backward(np.full(x.shape, seed) if x.ndim else seed)
    for _ in range(2):
        assert type(x.grad) is type(x.data)
        assert np.asarray(x.grad).dtype == x.dtype
        x.grad = np.full(x.shape, seed)
    np.testing.assert_array_equal(x.grad, np.full(x.shape, 3.0))


def test_the_pass_from_a_float32_scalar_is_float32() -> None:
    x = Value(np.float32(2))
    x.backward()
    assert type(x.grad) is np.float32


def test_a_seed_of_another_shape_is_refused() -> None:
    for x, seed in ((Value(2.0), [1.0, 1.0]), (Value([1.0, 2.0]), 1.0), (Value([1.0, 2.0]), Value(1.0))):
        with pytest.raises(ValueError, match="needs a gradient of that shape"):
            (x * 2.0).backward(seed)
        assert not x.has_grad


@pytest.mark.parametrize("data", [2.0, [2.0, 3.0]])
def test_a_recorded_pass_is_recorded_from_its_seed_on(data: Any) -> None:
    """u · 3x² has the derivatives 3x² and 6ux."""
    x, u = Value(data), Value(np.ones(np.shape(data)) if np.ndim(data) else 1.0)
    (x**3).backward(u, create_graph=True)
    slope = x.grad
    x.zero_grad()
    slope.sum().backward()
    np.testing.assert_allclose(u.grad, 3 * np.square(data))
    np.testing.assert_allclose(x.grad, 6 * np.array(data))


def test_a_recorded_pass_from_plain_numbers_needs_no_gradient_of_them() -> None:
    x = Value(2.0)
    (x * 3.0).backward(5.0, create_graph=True)
    assert isinstance(x.grad, Value)
    assert x.grad.data == 15.0
    assert not x.grad.requires_grad


@pytest.mark.parametrize("retain", [None, True, False])
def test_the_graph_stays_unless_it_is_to_be_freed(retain: bool | None) -> None:
    x = Value(2.0)
    y = x * 3.0
    (y * 5.0).backward(retain_graph=retain)
    assert x.grad == 15.0
    assert y.has_grad == (retain is not False)


def test_a_result_that_a_refused_pass_has_met_holds_no_gradient() -> None:
    x, k = Value(2.0), Value(1.0)
    y = x * 3.0
    y.backward()
    assert y.has_grad
    loss = y * k
    k.data = 7.0
    with pytest.raises(MutationError):
        loss.backward()
    assert not y.has_grad
    assert y.grad == 0.0
    assert repr(y) == "Value(data=6.0, grad=0.0)"


def test_one_step_by_hand_adds_to_what_the_operands_hold() -> None:
    """And reaches those only that take part."""
    x, k = Value(2.0), Value(5.0, requires_grad=False)
    y = x * k
    y.grad = 3.0
    x.grad = 100.0
    y._backward()
    y._backward()
    assert x.grad == 100.0 + 15.0 + 15.0
    assert not k.has_grad


def test_requires_grad_gives_the_leaf_back() -> None:
    x = Value(2.0)
    assert x.requires_grad_(False) is x
    assert not (x * 2.0).requires_grad
    assert x.requires_grad_() is x
    assert (x * 2.0).requires_grad


# ── operands ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [3, 3.0, True, np.int8(3), np.bool_(True), np.float64(3), np.array(3), np.array(3.0)], ids=kind)
def test_numbers_of_a_formula_are_kept_as_python_floats(number: Any) -> None:
    x = Value(2.0)
    for y in (x + number, np.add(x, number), engine.add(x, number)):
        assert [type(operand) for operand in y.operands] == [Value, float]
        assert y.operands[1] == number
    assert [type(operand) for operand in (number + x).operands] == [float, Value]


@pytest.mark.parametrize("array", [np.float32(3), [3.0, 4.0], np.float32([3, 4]), np.arange(2), np.ones(9000), np.arange(9000)], ids=kind)
def test_arrays_of_a_formula_are_kept_as_constants(array: Any) -> None:
    x = Value(np.ones(np.shape(array)) if np.ndim(array) else 1.0)
    for y in (x + array, engine.add(x, array)):
        constant = y.operands[1]
        assert isinstance(constant, Value)
        assert constant.is_leaf
        assert not constant.requires_grad
        assert constant.dtype == Value(array).dtype
        np.testing.assert_array_equal(constant.data, array)


def test_a_small_array_of_a_formula_is_copied_and_a_large_one_is_watched() -> None:
    """Whoever fills a small array anew for each batch loses nothing; a large one is not there twice."""
    small, large = np.ones(1000), np.ones(100_000)
    x, y = Value(np.ones(1000)), Value(np.ones(100_000))
    first, second = (x * small).sum(), (y * large).sum()
    small[:] = large[:] = 7.0
    first.backward()
    np.testing.assert_array_equal(x.grad, np.ones(1000))
    with pytest.raises(MutationError):
        second.backward()


def test_micrograds_prev_makes_constants_of_numbers() -> None:
    x = Value(2.0)
    first, second = (x * 3.0)._prev
    assert first is x
    assert (second.data, second.requires_grad) == (3.0, False)
    assert Value(6.0, (x, 3.0), "*").operands[0] is x
    number = Value(6.0, (x, 3.0), "*").operands[1]
    assert isinstance(number, Value)
    assert (number.data, number.requires_grad) == (3.0, False)


def test_a_node_by_hand_without_a_symbol_is_a_question() -> None:
    assert Value(1.0, (Value(1.0),))._op == "?"
    assert Value(1.0, (Value(1.0),), "+")._op == "+"


def test_nan_inside_no_grad_is_no_anomaly() -> None:
    """Other modes do not look for it."""
    with np.errstate(all="ignore"), engine.no_grad():
        assert np.isnan(np.log(Value(-1.0)).data)
        assert np.isnan(np.log(Value([-1.0])).data).all()


# ── as text ───────────────────────────────────────────────────────────────────


def test_a_value_and_its_gradient_as_text() -> None:
    x = Value([1.0, 2 / 3])
    (x * 3.0).sum().backward(create_graph=True)
    assert repr(x) == "Value(data=[1.    , 0.6667], grad=[3., 3.])"
    assert f"{x}" == repr(x)
    assert repr(Value(np.float32(0.5))) == "Value(data=0.5, grad=0.0)"
    assert f"{Value(2 / 3):.2f}" == "0.67"


def test_a_long_array_is_shortened() -> None:
    assert "..." not in repr(Value(np.arange(20.0)))
    assert len(repr(Value(np.arange(21.0)))) < 80
    assert "..." in repr(Value(np.arange(21.0)))


def test_a_copy_holds_the_numbers_of_a_recorded_gradient() -> None:
    x = Value([1.0, 2.0])
    (x**2).sum().backward(create_graph=True)
    twin = copy.deepcopy(x)
    assert type(twin.grad) is np.ndarray
    np.testing.assert_array_equal(twin.grad, [2.0, 4.0])
