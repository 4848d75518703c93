"""Operators and methods of a Value against NumPy's on plain data: the way in which arguments can be written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
from engine import Value

DATA = np.arange(24.0).reshape(2, 3, 4)


def same(value: Any, expected: Any) -> None:
    assert isinstance(value, Value)
    assert value.shape == np.shape(expected)
    np.testing.assert_array_equal(value.data, expected)


@pytest.mark.parametrize("shape", [(24,), (4, 6), (-1,), (6, -1), ((4, 6),), ([4, 6],), ((),), (1, 2, 3, 4)])
def test_reshape_takes_a_shape_or_its_numbers(shape: Any) -> None:
    data = DATA if shape != ((),) else np.array([5.0])
    same(Value(data).reshape(*shape), data.reshape(*shape))


@pytest.mark.parametrize("axes", [(), (2, 0, 1), ((2, 0, 1),), ([2, 0, 1],), (-1, 0, 1), (None,)])
def test_transpose_takes_axes_or_their_numbers(axes: Any) -> None:
    same(Value(DATA).transpose(*axes), DATA.transpose(*axes))


def test_transpose_of_a_vector_takes_its_one_axis() -> None:
    same(Value([1.0, 2.0]).transpose(0), [1.0, 2.0])
    same(Value([1.0, 2.0]).transpose(), [1.0, 2.0])


@pytest.mark.parametrize("axis", [None, 0, 1, 2, -1])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_where_the_largest_and_the_smallest_stand(name: str, axis: int | None) -> None:
    data = np.random.default_rng(0).normal(size=(2, 3, 4))
    found = getattr(Value(data), name)(axis)
    assert not isinstance(found, Value)
    np.testing.assert_array_equal(found, getattr(data, name)(axis))
    np.testing.assert_array_equal(getattr(Value(data), name)(), getattr(data, name)())


@pytest.mark.parametrize(
    "index",
    [
        *([], ([],), (0, []), ([], 1), [0, 1], [True, False], ([1, 0], slice(None), [0, 1]), np.zeros((0,), int)),
        *(0, -1, slice(None, None, 2), None, Ellipsis, (Ellipsis, 1), (0, None, 1), np.array([1, 0]), DATA > 5, True, False),
    ],
    ids=repr,
)
def test_an_index_means_what_it_means_to_numpy(index: Any) -> None:
    same(Value(DATA)[index], DATA[index])


def test_an_index_is_kept_as_it_was() -> None:
    """Also inside a tuple, and also a list."""
    numbers, array = [0, 0], np.array([0, 0])
    x = Value([[1.0, 2.0], [3.0, 4.0]])
    loss = (x[numbers] + x[(array, slice(None))]).sum()
    numbers[:] = array[:] = [1, 1]
    loss.backward()
    np.testing.assert_array_equal(x.grad, [[4.0, 4.0], [0.0, 0.0]])


@pytest.mark.parametrize("stranger", ["a", None, object(), {}, {1.0}, 1j])
def test_an_operator_leaves_strangers_to_themselves(stranger: Any) -> None:
    for name in ("__add__", "__radd__", "__mul__", "__rmul__", "__sub__", "__rsub__", "__pow__", "__rpow__", "__matmul__", "__rmatmul__"):
        assert getattr(Value(1.0), name)(stranger) is NotImplemented


def test_methods_tell_what_they_do() -> None:
    """By the name and the text of their primitive: help(Value.tanh)."""
    assert Value.tanh.__name__ == "tanh"
    assert Value.tanh.__doc__ == engine.tanh.__doc__
    assert Value.__radd__.__name__ == Value.__add__.__name__ == "add"
    assert Value.__radd__.__doc__ == Value.__add__.__doc__ == engine.add.__doc__
    assert Value.logsumexp.__doc__ == engine.logsumexp.__doc__


def test_a_scalar_has_no_elements_to_walk() -> None:
    with pytest.raises(TypeError, match="cannot iterate over 's'"):
        iter(Value(1.0, label="s"))
    with pytest.raises(TypeError, match=r"len\(\) of 's'"):
        len(Value(1.0, label="s"))


def test_a_function_without_a_rule_is_named_as_one_writes_it() -> None:
    with pytest.raises(TypeError, match=r"^np\.linalg\.det has no rule"):
        np.linalg.det(Value(np.eye(2)))
    with pytest.raises(TypeError, match=r"^np\.median has no rule"):
        np.median(Value([1.0, 2.0]))
