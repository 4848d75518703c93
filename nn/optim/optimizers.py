"""The optimisers, in order of increasing complexity.

An optimiser is its update rule: the new value of a parameter p, from its gradient g and from the numbers that
the optimiser keeps about p between steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from engine import Value
from engine.arrays import to_update

from .gradients import finite_gradients, listed, parameter_name

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop"]

BLOCK = 16384  # elements updated at a time, so that the intermediate results of the update stay in the processor's cache


U = TypeVar("U", bound=Callable[..., Any])


def in_blocks(update: U) -> U:
    """Decorator: an update that treats each element by itself and in place; a large array is updated some rows at a time."""
    update.in_blocks = True  # type: ignore[attr-defined]
    return update


class Optimizer:
    """The base of all optimisers: the parameters, the state of each, and the step.

    A subclass lists the names of its state in `memory`, for example ("m", "v"), and defines

        update(p, g, s) -> p

    where s.m and s.v start at zero and s.t is the number of updates of p with them so far, this one included.  The
    update may be written with augmented assignments (`p -= ...`).  They write into an array in place, and they make
    a new number of a Python float; so the same lines serve a model of tensors and micrograd's model of scalars.

    Args:
        params: the Values to learn, usually `model.parameters()`.
        settings: the learning rate `lr` and the other settings of the update.  Each becomes an attribute,
            which may be changed between steps.

    Raises:
        TypeError: params is a single Value, or an entry is not a Value.
        ValueError: the list is empty, a parameter is listed twice or is not a leaf, or a setting is out of range.
    """

    lr: float
    memory: tuple[str, ...] = ()

    def __init__(self, params: Iterable[Value], **settings: Any):
        self.params = listed(params)
        if not self.params:
            raise ValueError(f"{type(self).__name__} needs parameters, and the list is empty")
        for i, p in enumerate(self.params):
            if not p.is_leaf:
                raise ValueError(f"{parameter_name(i, p)} is the result of {p._op!r}; an optimiser can learn leaves only")
        if len(set(self.params)) < len(self.params):
            raise ValueError("a parameter is listed twice, so every step would update it twice; list it once")
        for name, setting in settings.items():
            numbers, high = (setting, 1) if name == "betas" else ((setting,), math.inf)
            if not all(0 <= number < high for number in numbers):
                raise ValueError(f"{type(self).__name__}: {name}={setting} is out of range; it must be at least 0 and below {high}")
            setattr(self, name, setting)
        self.settings = tuple(settings)
        self.initial_lr: float | None = None  # set by the first schedule: the learning rate that it found
        self.state: list[SimpleNamespace | None] = [None] * len(self.params)

    def zero_grad(self) -> None:
        """Remove the gradient of every parameter; backward() adds to the gradient that is there."""
        for p in self.params:
            p.zero_grad()

    def step(self) -> None:
        """Update every parameter that has a gradient; the other parameters and their state do not change.

        Raises:
            FloatingPointError: a gradient contains a NaN or an inf; nothing was changed.
        """
        for i, p, g in finite_gradients(self.params):
            data, s = to_update(p), self.state[i]
            if s is None or not all(hasattr(s, name) for name in self.memory):  # also where a setting now asks for more
                kept = {} if s is None else vars(s)
                s = self.state[i] = SimpleNamespace(**{"t": 0} | {name: self.start(data) for name in self.memory} | kept)
                s.t = 0
            s.t += 1
            if type(data) is np.ndarray and data.size > BLOCK and getattr(self.update, "in_blocks", False):
                rows = max(1, BLOCK * len(data) // data.size)
                for row in range(0, len(data), rows):
                    part = slice(row, row + rows)
                    self.update(data[part], g[part], SimpleNamespace(t=s.t, **{name: getattr(s, name)[part] for name in self.memory}))
            elif (new := self.update(data, g, s)) is not data:
                p.data = new

    def update(self, p: Any, g: Any, s: SimpleNamespace) -> Any:
        """One update of a parameter p with gradient g and state s; returns the new p.

        All are floats, or arrays of one shape.
        """
        raise NotImplementedError(f"{type(self).__name__} needs an update(p, g, s)")

    def start(self, p: Any) -> Any:
        """The state of a parameter p before its first update: zero, or zeros in the shape of p."""
        return np.zeros_like(p) if type(p) is np.ndarray else type(p)(0)

    def state_dict(self) -> dict[str, Any]:
        """A copy of the settings and the state as plain data; together with the weights, all that training needs to go on."""
        return {
            "name": type(self).__name__,
            "settings": {name: getattr(self, name) for name in self.settings},
            "initial_lr": self.initial_lr,
            "state": [None if s is None else {name: _copy(number) for name, number in vars(s).items()} for s in self.state],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set the settings and the state to copies of those in a dict from `state_dict`.

        Raises:
            ValueError: the dict belongs to another kind of optimiser or to other parameters; nothing was changed.
        """
        if (state["name"], set(state["settings"])) != (type(self).__name__, set(self.settings)):
            raise ValueError(f"the state belongs to {state['name']}({', '.join(state['settings'])}), and this optimiser is {self}")
        if len(state["state"]) != len(self.params):
            raise ValueError(f"the state has {len(state['state'])} parameters, and this {type(self).__name__} has {len(self.params)}")
        for i, (p, saved) in enumerate(zip(self.params, state["state"], strict=True)):
            for name, number in (saved or {}).items():
                if name != "t" and np.shape(number) != p.shape:
                    raise ValueError(f"{name} of {parameter_name(i, p)} has shape {np.shape(number)} in the state, not {p.shape}")
        for name, setting in state["settings"].items():
            setattr(self, name, tuple(setting) if isinstance(setting, list) else setting)
        self.initial_lr = state["initial_lr"]
        self.state = [s and SimpleNamespace(**{name: _copy(number) for name, number in s.items()}) for s in state["state"]]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in self.settings)})"


class SGD(Optimizer):
    """Stochastic gradient descent (Robbins & Monro 1951, https://doi.org/10.1214/aoms/1177729586).

        g ← g + weight_decay · p
        b ← momentum · b + (1 - dampening) · g        (b = g at the first update)
        p ← p - lr · b

    With momentum, p also moves along past gradients (Polyak 1964, https://doi.org/10.1016/0041-5553(64)90137-5).
    With `nesterov`, g + momentum · b takes the place of b in the step: the gradient is used as if p had made
    the next momentum step already (Sutskever et al. 2013, https://proceedings.mlr.press/v28/sutskever13.html).

    Raises:
        ValueError: `nesterov` without momentum, or with dampening; and what `Optimizer` refuses.
    """

    momentum: float
    dampening: float
    weight_decay: float
    nesterov: bool

    def __init__(
        self,
        params: Iterable[Value],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        if nesterov and (not momentum or dampening):
            raise ValueError("SGD: nesterov=True needs momentum > 0 and dampening=0")
        super().__init__(params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov)

    @property
    def memory(self) -> tuple[str, ...]:  # type: ignore[override]  # it follows the settings, which may change
        return ("b",) if self.momentum else ()

    @in_blocks
    def update(self, p: Any, g: Any, s: SimpleNamespace) -> Any:
        if self.weight_decay:
            g = g + self.weight_decay * p
        if self.momentum:
            s.b *= self.momentum
            s.b += g if s.t == 1 else (1 - self.dampening) * g
            g = g + self.momentum * s.b if self.nesterov else s.b
        p -= self.lr * g
        return p


class Adagrad(Optimizer):
    """Smaller steps for elements with large past gradients (Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html).

    v ← v + g²                                    (v starts at initial_accumulator_value)
    p ← p - lr / (1 + (t - 1) · lr_decay) · g / (√v + eps)
    """

    memory = ("v",)
    lr_decay: float
    weight_decay: float
    initial_accumulator_value: float
    eps: float

    def __init__(
        self,
        params: Iterable[Value],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ):
        start = initial_accumulator_value
        super().__init__(params, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=start, eps=eps)

    def start(self, p: Any) -> Any:
        return super().start(p) + self.initial_accumulator_value

    @in_blocks
    def update(self, p: Any, g: Any, s: SimpleNamespace) -> Any:
        if self.weight_decay:
            g = g + self.weight_decay * p
        s.v += g * g
        p -= self.lr / (1 + (s.t - 1) * self.lr_decay) * g / (s.v**0.5 + self.eps)
        return p


class RMSprop(Optimizer):
    """Adagrad with a running mean of g² in place of the sum (Tieleman & Hinton 2012, lecture 6 of
    https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf).

        v ← alpha · v + (1 - alpha) · g²
        p ← p - lr · g / (√v + eps)

    With `centered`, √(v - m²) takes the place of √v; m is the running mean of g, so this is its standard
    deviation (Graves 2013, https://arxiv.org/abs/1308.0850).  With `momentum`, the steps add up in
    b ← momentum · b + g / (√v + eps), and p ← p - lr · b.
    """

    alpha: float
    eps: float
    weight_decay: float
    momentum: float
    centered: bool

    def __init__(
        self,
        params: Iterable[Value],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ):
        super().__init__(params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered)

    @property
    def memory(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("v", *(["m"] if self.centered else []), *(["b"] if self.momentum else []))

    @in_blocks
    def update(self, p: Any, g: Any, s: SimpleNamespace) -> Any:
        if self.weight_decay:
            g = g + self.weight_decay * p
        s.v *= self.alpha
        s.v += (1 - self.alpha) * g * g
        variance = s.v
        if self.centered:
            s.m *= self.alpha
            s.m += (1 - self.alpha) * g
            variance = s.v - s.m * s.m
            variance = variance * (variance > 0)  # rounding can make it negative
        step = g / (variance**0.5 + self.eps)
        if self.momentum:
            s.b *= self.momentum
            s.b += step
            step = s.b
        p -= self.lr * step
        return p


class Adam(Optimizer):
    """Running means of g and g², both corrected for their start at zero (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980).

        m ← β₁ · m + (1 - β₁) · g                     running mean of g
        v ← β₂ · v + (1 - β₂) · g²                    running mean of g²
        p ← p - lr · m̂ / (√v̂ + eps)                   m̂ = m / (1 - β₁ᵗ),  v̂ = v / (1 - β₂ᵗ)

    Weight decay is added to the gradient, g ← g + weight_decay · p; `AdamW` applies it to the weight.
    """

    memory = ("m", "v")
    betas: tuple[float, float]
    eps: float
    weight_decay: float

    def __init__(
        self,
        params: Iterable[Value],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    @in_blocks
    def update(self, p: Any, g: Any, s: SimpleNamespace) -> Any:
        return self._move(p, g + self.weight_decay * p if self.weight_decay else g, s)

    def _move(self, p: Any, g: Any, s: SimpleNamespace) -> Any:
        """The step without weight decay."""
        beta1, beta2 = self.betas
        s.m *= beta1
        s.m += (1 - beta1) * g
        s.v *= beta2
        s.v += (1 - beta2) * g * g
        p -= self.lr / (1 - beta1**s.t) * s.m / ((s.v / (1 - beta2**s.t)) ** 0.5 + self.eps)
        return p


class AdamW(Adam):
    """Adam with weight decay applied to the weight itself (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101).

        p ← p - lr · weight_decay · p, and then the step of Adam

    A decay that is added to the gradient, as in `Adam`, is divided by √v̂ as well: then a weight with large
    gradients hardly decays.
    """

    def __init__(
        self,
        params: Iterable[Value],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    @in_blocks
    def update(self, p: Any, g: Any, s: SimpleNamespace) -> Any:
        p *= 1 - self.lr * self.weight_decay
        return self._move(p, g, s)


def _copy(number: Any) -> Any:
    return number.copy() if isinstance(number, np.ndarray) else number
