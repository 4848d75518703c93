"""Recurrent layers: one step is applied along a sequence, and its state is an input of the next step.

    RNN   h' = tanh(W_ih x + b_ih + W_hh h + b_hh)                             (Elman 1990), or relu in place of tanh
    LSTM  i, f, g, o = σ, σ, tanh, σ of the four parts of W_ih x + b_ih + W_hh h + b_hh
          c' = f·c + i·g,  h' = o·tanh(c')                                      (Hochreiter & Schmidhuber 1997, Gers et al. 2000)
    GRU   r, z = σ, σ of the first two parts of the same sum,  n = tanh(third part of x + r · third part of h)
          h' = (1 - z)·n + z·h                                                  (Cho et al. 2014)

`RNNCell`, `LSTMCell` and `GRUCell` compute one step; `RNN`, `LSTM` and `GRU` compute a whole sequence, in one or
several layers.  The weights have the names and shapes of PyTorch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import engine
from engine import Parameter

from . import init
from ._dtypes import float_type
from .init import Seed
from .module import Module

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

State = tuple[Any, ...]  # (h,); for an LSTM (h, c)


class _Recurrent(Module):
    """The base of cells and sequences: the weights, and the loop over the steps.  A subclass defines the step.

    Attributes:
        gates: how many vectors of length hidden_size a step computes from x, and as many from h.
        states: how many arrays the state has.
        bias_joins_h: whether b_hh must be added to W_hh h in every step.  Otherwise it is added to W_ih x + b_ih,
            once for all steps.
    """

    gates: int
    states = 1
    bias_joins_h = False

    def __init__(self, input_size: int, hidden_size: int, bias: bool):
        if input_size < 1 or hidden_size < 1:
            raise ValueError(f"{type(self).__name__} needs input_size and hidden_size of at least 1, not {input_size} and {hidden_size}")
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias

    def _add_weights(self, suffix: str, input_size: int, generator: np.random.Generator) -> None:
        """Make the weights of one layer, uniform in ±1/√hidden_size; `suffix` is added to their names."""
        rows, bound = self.gates * self.hidden_size, 1.0 / math.sqrt(self.hidden_size)
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, input_size), "weight_hh": (rows, self.hidden_size)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        for name, shape in shapes.items():
            setattr(self, name + suffix, init.uniform_(Parameter(np.empty(shape)), -bound, bound, generator))

    def _steps(self, x: Any, state: State, suffix: str = "") -> tuple[list[Any], State]:
        """All steps of one layer along x (time, *): h after each step, and the state at the end.

        W_ih x does not depend on the state, so it is computed in one product for all steps.
        """
        from_x, to_h = x @ getattr(self, "weight_ih" + suffix).T, getattr(self, "weight_hh" + suffix).T
        b_hh = None
        if self.bias:
            b_ih, b_hh = getattr(self, "bias_ih" + suffix), getattr(self, "bias_hh" + suffix)
            from_x = from_x + (b_ih if self.bias_joins_h else b_ih + b_hh)
        hidden = []
        for t in range(len(x)):
            from_h = state[0] @ to_h
            if self.bias_joins_h and self.bias:
                from_h = from_h + b_hh
            state = self._step(from_x[t], from_h, state)
            hidden.append(state[0])
        return hidden, state

    def _step(self, x: Any, h: Any, state: State) -> State:
        """The next state, from x = W_ih x + b_ih and h = W_hh h for all gates (b_hh is part of one of them)."""
        raise NotImplementedError

    def _parts(self, gates: Any) -> list[Any]:
        """The gates one by one: (*, gates · hidden_size) cut into pieces (*, hidden_size)."""
        size = self.hidden_size
        return [gates[..., k * size : (k + 1) * size] for k in range(self.gates)]

    def _start(self, state: Any, shape: tuple[int, ...], dtype: Any) -> State:
        """The first state: the given one, or zeros; ValueError if an array of it does not have this shape."""
        if state is None:
            return (np.zeros(shape, dtype),) * self.states
        given: State = tuple(state) if self.states > 1 else (state,)
        if [np.shape(s) for s in given] != [shape] * self.states:
            wanted = f"{' and '.join(['h', 'c'][: self.states])} of shape {shape}"
            raise ValueError(f"{self._title}: the first state must be {wanted}, not {', '.join(str(np.shape(s)) for s in given)}")
        return given

    def _check_input(self, x: Any, axes: tuple[int, ...], layout: str) -> None:
        """Raise ValueError if x has another number of axes or of features; `layout` describes the shape in words."""
        shape = np.shape(x)
        if len(shape) not in axes or shape[-1] != self.input_size:
            raise ValueError(f"{self._title}: the input must have shape {layout} with {self.input_size} features, not {shape}")

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class _RNN(_Recurrent):
    """The step of an RNN."""

    gates = 1
    nonlinearity: str

    def _set_nonlinearity(self, nonlinearity: str) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"{type(self).__name__}: nonlinearity must be 'tanh' or 'relu', not {nonlinearity!r}")
        self.nonlinearity = nonlinearity

    def _step(self, x: Any, h: Any, state: State) -> State:
        return ((engine.tanh if self.nonlinearity == "tanh" else engine.relu)(x + h),)


class _LSTM(_Recurrent):
    """The step of an LSTM."""

    gates, states = 4, 2

    def _step(self, x: Any, h: Any, state: State) -> State:
        i, f, g, o = self._parts(x + h)
        c = engine.sigmoid(f) * state[1] + engine.sigmoid(i) * engine.tanh(g)
        return engine.sigmoid(o) * engine.tanh(c), c


class _GRU(_Recurrent):
    """The step of a GRU."""

    gates, bias_joins_h = 3, True  # because r is multiplied by b_hh, too

    def _step(self, x: Any, h: Any, state: State) -> State:
        (x_r, x_z, x_n), (h_r, h_z, h_n) = self._parts(x), self._parts(h)
        r, z = engine.sigmoid(x_r + h_r), engine.sigmoid(x_z + h_z)
        n = engine.tanh(x_n + r * h_n)
        return (n + z * (state[0] - n),)


# ── one step ──────────────────────────────────────────────────────────────────


class _Cell(_Recurrent):
    """The base of the cells."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, *, generator: Seed = None):
        super().__init__(input_size, hidden_size, bias)
        self._add_weights("", input_size, init.as_generator(generator))

    def forward(self, x: Any, state: Any = None) -> Any:
        self._check_input(x, (1, 2), "(features,) or (N, features)")
        start = self._start(state, (*np.shape(x)[:-1], self.hidden_size), float_type(x))
        _, end = self._steps(x[None], start)
        return end if self.states > 1 else end[0]


class RNNCell(_RNN, _Cell):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh): RNNCell(...)(x, h) returns h'; without h, zeros are used.

    Shapes: x (N, input_size), h and h' (N, hidden_size), weight_ih (hidden_size, input_size),
    weight_hh (hidden_size, hidden_size), biases (hidden_size,); the axis N may be absent.

    Args:
        nonlinearity: "tanh" or "relu".
        generator: a seed or a Generator; all weights start uniform in ±1/√hidden_size.

    Raises:
        ValueError: a size is below 1, another nonlinearity, or x or h has another shape.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", *, generator: Seed = None):
        self._set_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, bias, generator=generator)


class LSTMCell(_LSTM, _Cell):
    """One step of an LSTM: LSTMCell(...)(x, (h, c)) returns (h', c'); without (h, c), zeros are used.

    Shapes: x (N, input_size), h and c (N, hidden_size), weight_ih (4·hidden_size, input_size),
    weight_hh (4·hidden_size, hidden_size), biases (4·hidden_size,), each in the order i, f, g, o.
    """


class GRUCell(_GRU, _Cell):
    """One step of a GRU: GRUCell(...)(x, h) returns h'; without h, zeros are used.

    Shapes: x (N, input_size), h and h' (N, hidden_size), weight_ih (3·hidden_size, input_size),
    weight_hh (3·hidden_size, hidden_size), biases (3·hidden_size,), each in the order r, z, n.
    """


# ── sequences ─────────────────────────────────────────────────────────────────


class _Sequence(_Recurrent):
    """The base of the sequences: several layers, each one along the outputs of the one below."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        *,
        generator: Seed = None,
    ):
        super().__init__(input_size, hidden_size, bias)
        if num_layers < 1:
            raise ValueError(f"{type(self).__name__}: num_layers must be at least 1, not {num_layers}")
        self.num_layers, self.batch_first = num_layers, batch_first
        generator = init.as_generator(generator)
        for k in range(num_layers):
            self._add_weights(f"_l{k}", input_size if k == 0 else hidden_size, generator)

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        self._check_input(x, (2, 3), f"({'N, time' if self.batch_first else 'time, N'}, features) or (time, features)")
        swapped = self.batch_first and np.ndim(x) == 3
        if swapped:
            x = np.swapaxes(x, 0, 1)
        start = self._start(state, (self.num_layers, *np.shape(x)[1:-1], self.hidden_size), float_type(x))
        ends = []
        for k in range(self.num_layers):
            hidden, end = self._steps(x, tuple(s[k] for s in start), f"_l{k}")
            x = np.stack(hidden)
            ends.append(end)
        last = tuple(np.stack(states) for states in zip(*ends, strict=True))
        return (np.swapaxes(x, 0, 1) if swapped else x), (last if self.states > 1 else last[0])

    def extra_repr(self) -> str:
        layers = f", num_layers={self.num_layers}" if self.num_layers > 1 else ""
        return super().extra_repr() + layers + (", batch_first=True" if self.batch_first else "")


class RNN(_RNN, _Sequence):
    """An `RNNCell` along a sequence: RNN(...)(x, h0) returns (output, h_n); without h0, zeros are used.

    Shapes: x (time, N, input_size), or (N, time, input_size) with `batch_first`, or (time, input_size); output the
    same with hidden_size as its last axis: h of the last layer at every time; h0 and h_n (num_layers, N, hidden_size).
    Layer k has weight_ih_lk, weight_hh_lk, bias_ih_lk, bias_hh_lk in the shapes of `RNNCell`; its input is the
    output of layer k-1.

    Raises:
        ValueError: a size or num_layers is below 1, another nonlinearity, or x or h0 has another shape.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        *,
        generator: Seed = None,
    ):
        self._set_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, generator=generator)


class LSTM(_LSTM, _Sequence):
    """An `LSTMCell` along a sequence: LSTM(...)(x, (h0, c0)) returns (output, (h_n, c_n)).

    Shapes and errors as for `RNN`; h0, c0, h_n and c_n (num_layers, N, hidden_size), weights as in `LSTMCell`.
    """


class GRU(_GRU, _Sequence):
    """A `GRUCell` along a sequence: GRU(...)(x, h0) returns (output, h_n).

    Shapes and errors as for `RNN`; weights as in `GRUCell`.
    """
