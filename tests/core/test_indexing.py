"""Indexing and the moves made of it: every index that NumPy takes, and NumPy's judgement of the arguments."""

from __future__ import annotations

import array as standard
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import engine
from engine import Value, strategies

FULL = hnp.array_shapes(min_dims=1, max_dims=3, max_side=4)


class Tensor:
    """An array of another library: NumPy reads it, and knows nothing else of it."""

    def __init__(self, data: Any):
        self.inner = np.asarray(data)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.inner.astype(dtype) if dtype else self.inner


def as_tuples(data: Any) -> Any:
    return tuple(map(as_tuples, data)) if isinstance(data, list) else data


DISGUISES: dict[str, Callable[[Any], Any]] = {
    "array": np.asarray,
    "list": lambda x: x.tolist(),
    "tuples": lambda x: as_tuples(x.tolist()),
    "tensor": Tensor,
    "standard": lambda x: standard.array("q", x.tolist()) if x.ndim == 1 else x,
    "memory": lambda x: memoryview(x.copy()),
    "small": lambda x: x.astype(np.int8),
    "list of numbers": lambda x: [np.int64(i) for i in x] if x.ndim == 1 else x,
}


@st.composite
def disguised(draw: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """An index made of arrays, and the same as a user of other containers writes it."""
    plain = draw(strategies.indices(shape) | hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=5)))
    parts = plain if isinstance(plain, tuple) else (plain,)
    worn = [draw(st.sampled_from(list(DISGUISES.values())))(p) if isinstance(p, np.ndarray) and p.dtype == int else p for p in parts]
    alone = len(worn) == 1 and not isinstance(worn[0], tuple) and draw(st.booleans())
    return plain, worn[0] if alone else tuple(worn)


@settings(max_examples=300)
@given(shape=FULL, data=st.data())
def test_an_index_means_the_same_in_every_container(shape: tuple[int, ...], data: st.DataObject) -> None:
    plain, worn = data.draw(disguised(shape))
    x = Value(np.arange(float(np.prod(shape))).reshape(shape))
    part = x[worn]
    np.testing.assert_array_equal(part.data, x.data[plain])
    weights = np.arange(1.0, np.size(part.data) + 1).reshape(np.shape(part.data))
    (part * weights).sum().backward()
    expected = np.zeros(shape)
    np.add.at(expected, plain, weights)  # an element named n times gets all n
    np.testing.assert_array_equal(x.grad, expected)


@pytest.mark.parametrize("index", [[0, 2], (np.array([0, 2]), slice(None)), Tensor([0, 2]), standard.array("q", [0, 2])])
def test_the_graph_keeps_the_index_that_it_was_given(index: Any) -> None:
    x = Value(np.arange(6.0).reshape(3, 2))
    total = (x[index] * 2.0).sum()
    inner = index[0] if isinstance(index, tuple) else getattr(index, "inner", index)
    inner[0] = 1
    total.backward()
    assert x.grad.tolist() == [[2.0, 2.0], [0.0, 0.0], [2.0, 2.0]]


@pytest.mark.parametrize("index", [(), Ellipsis, None, (None, None), (Ellipsis, None)])
def test_the_second_derivative_through_an_index_of_a_scalar(index: Any) -> None:
    assert engine.grad(engine.grad(lambda x: (x[index] ** 3).sum()))(2.0) == 12.0
    assert engine.hessian(lambda x: (x[index] ** 3).sum())(2.0) == 12.0


@pytest.mark.parametrize("index", [Value(1.0, label="k"), [Value(1.0, label="k")], (0, Value(1.0, label="k"))])
def test_a_value_is_no_index(index: Any) -> None:
    with pytest.raises(TypeError, match="'k'"):
        Value(np.ones((3, 2)))[index]


# ── NumPy judges ──────────────────────────────────────────────────────────────

MOVES = [
    np.flip, np.take, np.moveaxis, np.take_along_axis, np.tensordot, np.split, np.array_split, np.swapaxes, np.roll, np.repeat,
    np.tile, np.expand_dims, np.squeeze, np.transpose, np.broadcast_to, np.reshape, np.diagonal, np.diag, np.pad, np.tril, np.triu,
    np.trace, np.sum, np.mean, np.max, np.min, np.prod, np.cumsum, np.cumprod,
]  # fmt: skip
NUMBER = st.integers(-4, 4)
ARGUMENT = st.one_of(
    NUMBER,
    NUMBER.map(np.int64),
    NUMBER.map(np.array),
    NUMBER.map(float),
    st.just(0.5),
    st.lists(NUMBER, max_size=3),
    st.lists(NUMBER, max_size=3).map(tuple),
    st.lists(NUMBER, max_size=3).map(lambda numbers: np.array(numbers, int)),
    st.lists(st.tuples(NUMBER, NUMBER), min_size=1, max_size=2),
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")  # the mean of nothing; a fractional diagonal
@pytest.mark.parametrize("function", MOVES, ids=lambda function: function.__name__)
def test_numpy_judges_the_arguments(function: Callable[..., Any]) -> None:
    """Whatever NumPy refuses is refused, and whatever is accepted gives NumPy's numbers."""

    @settings(max_examples=150)
    @given(shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), arguments=st.lists(ARGUMENT, max_size=2))
    def holds(shape: tuple[int, ...], arguments: list[Any]) -> None:
        x = np.arange(float(np.prod(shape))).reshape(shape)
        if function is np.tensordot:
            arguments = [x.T, *arguments[:1]]
        try:
            got = function(Value(x), *arguments)
        except (TypeError, ValueError, IndexError):
            return  # whether rightly: `tests.core.test_numpy` calls each function with all that it takes
        for one, expected in zip(*((pair if isinstance(pair, list) else [pair]) for pair in (got, function(x, *arguments))), strict=True):
            np.testing.assert_array_equal(one.data if isinstance(one, Value) else one, expected)
            assert np.shape(one) == np.shape(expected)

    holds()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.flip(x, 2), "flip of 'x', shape \\(2, 3\\): axis 2 is out of bounds"),
        (lambda x: np.take(x, [0, 9]), "take of 'x', shape \\(2, 3\\): index 9 is out of bounds"),
        (lambda x: np.take(x, [0.5]), "take of .*shape \\(2, 3\\)"),
        (lambda x: np.moveaxis(x, (0, 0), (0, 1)), "repeated axis"),
        (lambda x: np.split(x, np.int64(2), axis=1), "equal division"),
        (lambda x: np.sum(x, 0, True), "dtype"),
    ],
)
def test_an_error_names_the_function_the_operand_and_what_numpy_says(call: Callable[[Value], Any], message: str) -> None:
    with pytest.raises((ValueError, IndexError, TypeError), match=message):
        call(Value(np.ones((2, 3)), label="x"))


@pytest.mark.parametrize("width", [1, (1, 2), ((1, 0), (0, 2)), {0: 1}, {-1: (0, 2)}, np.array([[1, 1], [0, 0]])])
@pytest.mark.parametrize("constants", [0.0, -0.0, 3.0, (1.0, 2.0), ((1.0, 2.0), (3.0, -0.0))])
def test_pad_takes_what_numpy_takes_and_keeps_the_sign_of_zero(width: Any, constants: Any) -> None:
    x = np.array([[-0.0, 1.0], [0.0, -0.0]])
    if isinstance(width, dict) and np.lib.NumpyVersion(np.__version__) < "2.2.0":
        pytest.skip("NumPy takes a dict from 2.2 on")
    got, expected = np.pad(Value(x), width, constant_values=constants).data, np.pad(x, width, constant_values=constants)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))


@pytest.mark.parametrize("k", [-1, 0, 1])
def test_diag_keeps_the_sign_of_zero(k: int) -> None:
    assert np.signbit(np.diag(Value([-0.0, 1.0]), k).data).tolist() == np.signbit(np.diag([-0.0, 1.0], k)).tolist()
