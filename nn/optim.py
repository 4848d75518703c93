"""Optimisers, gradient clipping and learning-rate schedules, by PyTorch's names, arguments and numbers.

    from nn import optim

    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    schedule = optim.CosineAnnealingLR(optimizer, T_max=epochs)
    for epoch in range(epochs):
        for x, y in batches:
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        schedule.step()

An optimiser is its update: what becomes of a parameter p with gradient g, given what is remembered about
p from one step to the next.  They stand in order of increasing complexity.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from engine import Value
from engine.node import describe

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "LambdaLR",
    "LinearLR",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "SequentialLR",
    "StepLR",
    "clip_grad_norm_",
    "clip_grad_value_",
]

BLOCK = 16384  # numbers updated at a time: what a formula needs in between then stays in the processor's cache


class Optimizer:
    """What all optimisers share: the parameters, their memory, one step.

    A subclass names what it remembers in `memory`, say ("m", "v"), and writes its update as

        update(p, g, s) -> p

    where s.t counts the updates of p (1 the first time) and s.m, s.v are zeros at first.  It is written with
    augmented assignments (`p -= ...`): on an array they write in place, on a Python float they make a new
    number, so that the same lines serve a tensor model and micrograd's scalar one.

    Args:
        params: the Values to learn, usually `model.parameters()`.
        settings: the learning rate `lr` and what else the update reads; each becomes an attribute, free to
            be changed between steps.

    Raises:
        TypeError: params is a single Value, or holds something else.
        ValueError: there is no parameter, one is given twice or was computed; a setting is out of range.
    """

    lr: float
    memory: tuple[str, ...] = ()

    def __init__(self, params: Iterable[Value], **settings: Any):
        self.params = _listed(params)
        if not self.params:
            raise ValueError(f"{type(self).__name__} needs parameters, and the list is empty")
        for i, p in enumerate(self.params):
            if not p.is_leaf:
                raise ValueError(f"{_name(i, p)} is the result of {p._primitive.name}; only leaves can be learned")
        if len(set(self.params)) < len(self.params):
            raise ValueError("a parameter is listed twice, and every step would update it twice")
        for name, setting in settings.items():
            numbers, high = (setting, 1) if name == "betas" else ((setting,), math.inf)
            if not all(0 <= number < high for number in numbers):
                raise ValueError(f"{type(self).__name__}: {name}={setting} is out of range, it must be at least 0 and below {high}")
            setattr(self, name, setting)
        self.settings = tuple(settings)
        self.initial_lr: float | None = None  # what a schedule starts from
        self.state: list[SimpleNamespace | None] = [None] * len(self.params)

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter; backward() adds to what is there."""
        for p in self.params:
            p.zero_grad()

    def step(self) -> None:
        """Update every parameter that has a gradient; the others, and their memory, stay as they are.

        Raises:
            FloatingPointError: a gradient holds a NaN or an inf; nothing was changed.
        """
        for i, p, g in _gradients(self.params):
            data, s = p.data, self.state[i]
            if s is None:
                s = self.state[i] = SimpleNamespace(t=0, **{name: self.start(data) for name in self.memory})
            s.t += 1
            if type(data) is np.ndarray and data.size > BLOCK:
                rows = max(1, BLOCK * len(data) // data.size)
                for row in range(0, len(data), rows):
                    part = slice(row, row + rows)
                    self.update(data[part], g[part], SimpleNamespace(t=s.t, **{name: getattr(s, name)[part] for name in self.memory}))
                p.data = data
            else:
                p.data = self.update(data, g, s)

    def update(self, p: Any, g: Any, s: SimpleNamespace) -> Any:
        """The new p; of a large array some rows at a time."""
        raise NotImplementedError(f"{type(self).__name__} needs an update(p, g, s)")

    def start(self, p: Any) -> Any:
        """What is remembered about a parameter before its first update."""
        return np.zeros_like(p) if type(p) is np.ndarray else type(p)(0)

    def state_dict(self) -> dict[str, Any]:
        """Settings and memory as plain data of its own: with the weights, all that it takes to go on."""
        return {
            "name": type(self).__name__,
            "settings": {name: getattr(self, name) for name in self.settings},
            "initial_lr": self.initial_lr,
            "state": [None if s is None else {name: _copy(number) for name, number in vars(s).items()} for s in self.state],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave, the settings included.

        Raises:
            ValueError: it belongs to another optimiser or to other parameters; nothing was changed.
        """
        if (state["name"], set(state["settings"])) != (type(self).__name__, set(self.settings)):
            raise ValueError(f"the state is one of {state['name']}({', '.join(state['settings'])}), and this is {self}")
        if len(state["state"]) != len(self.params):
            raise ValueError(f"the state has {len(state['state'])} parameters, and {type(self).__name__} {len(self.params)}")
        for i, (p, saved) in enumerate(zip(self.params, state["state"], strict=True)):
            for name, number in (saved or {}).items():
                if name != "t" and np.shape(number) != p.shape:
                    raise ValueError(f"{name} of {_name(i, p)} has shape {np.shape(number)} in the state")
        for name, setting in state["settings"].items():
            setattr(self, name, tuple(setting) if isinstance(setting, list) else setting)
        self.initial_lr = state["initial_lr"]
        self.state = [s and SimpleNamespace(**{name: _copy(number) for name, number in s.items()}) for s in state["state"]]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in self.settings)})"


class SGD(Optimizer):
    """Stochastic gradient descent (Robbins & Monro 1951, https://doi.org/10.1214/aoms/1177729586).

        g ← g + weight_decay · p
        b ← momentum · b + (1 - dampening) · g        (b = g the first time)
        p ← p - lr · b

    Momentum (Polyak 1964, https://doi.org/10.1016/0041-5553(64)90137-5) keeps p rolling along past gradients.
    With `nesterov` the step is g + momentum · b, as if p had rolled on already (Sutskever et al. 2013,
    https://proceedings.mlr.press/v28/sutskever13.html).
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
            raise ValueError("SGD: nesterov=True needs a momentum, and no dampening")
        super().__init__(params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov)
        self.memory = ("b",) if momentum else ()

    def update(self, p: Any, g: Any, s: SimpleNamespace) -> Any:
        if self.weight_decay:
            g = g + self.weight_decay * p
        if self.memory:
            s.b *= self.momentum
            s.b += g if s.t == 1 else (1 - self.dampening) * g
            g = g + self.momentum * s.b if self.nesterov else s.b
        p -= self.lr * g
        return p


class Adagrad(Optimizer):
    """Smaller steps where gradients have been large (Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html).

    v ← v + g²                                    (v = initial_accumulator_value at first)
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

    def update(self, p: Any, g: Any, s: SimpleNamespace) -> Any:
        if self.weight_decay:
            g = g + self.weight_decay * p
        s.v += g * g
        p -= self.lr / (1 + (s.t - 1) * self.lr_decay) * g / (s.v**0.5 + self.eps)
        return p


class RMSprop(Optimizer):
    """Adagrad that forgets: a running mean in place of the sum (Tieleman & Hinton 2012, lecture 6 of
    https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf).

        v ← alpha · v + (1 - alpha) · g²
        p ← p - lr · g / (√v + eps)

    `centered` divides by the standard deviation, √(v - m²) with m the running mean of g (Graves 2013,
    https://arxiv.org/abs/1308.0850); with `momentum` the steps add up in b ← momentum · b + step.
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
        self.memory = ("v", *(["m"] if centered else []), *(["b"] if momentum else []))

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
            variance = variance * (variance > 0)  # rounding can take it below
        step = g / (variance**0.5 + self.eps)
        if self.momentum:
            s.b *= self.momentum
            s.b += step
            step = s.b
        p -= self.lr * step
        return p


class Adam(Optimizer):
    """RMSprop with momentum, both freed of their start at zero (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980).

        m ← β₁ · m + (1 - β₁) · g                     running mean of g
        v ← β₂ · v + (1 - β₂) · g²                    running mean of g²
        p ← p - lr · m̂ / (√v̂ + eps)                   m̂ = m / (1 - β₁ᵗ),  v̂ = v / (1 - β₂ᵗ)

    Weight decay is added to g: see AdamW.
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

    def update(self, p: Any, g: Any, s: SimpleNamespace) -> Any:
        if self.weight_decay:
            g = g + self.weight_decay * p
        return self.move(p, g, s)

    def move(self, p: Any, g: Any, s: SimpleNamespace) -> Any:
        """The step without weight decay."""
        beta1, beta2 = self.betas
        s.m *= beta1
        s.m += (1 - beta1) * g
        s.v *= beta2
        s.v += (1 - beta2) * g * g
        p -= self.lr / (1 - beta1**s.t) * s.m / ((s.v / (1 - beta2**s.t)) ** 0.5 + self.eps)
        return p


class AdamW(Adam):
    """Adam with weight decay on the weight itself (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101).

        p ← p - lr · weight_decay · p, then Adam's step

    Decay that is added to g, as Adam's, is divided by √v̂ too: a weight with large gradients then hardly decays.
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

    def update(self, p: Any, g: Any, s: SimpleNamespace) -> Any:
        p *= 1 - self.lr * self.weight_decay
        return self.move(p, g, s)


# ── gradient clipping ─────────────────────────────────────────────────────────


def clip_grad_norm_(parameters: Iterable[Value], max_norm: float, norm_type: float = 2.0) -> float:
    """Shorten the gradient of all parameters, as one long vector, to max_norm; return its norm before.

        g ← g · min(1, max_norm / (‖g‖ + 1e-6))

    The direction stays (Pascanu et al. 2013, https://arxiv.org/abs/1211.5063).  norm_type is the p of the
    p-norm, math.inf for the largest element.  FloatingPointError where a gradient holds a NaN or an inf.
    """
    gradients = _gradients(_listed(parameters))
    norms = [abs(g) if type(g) is float else float(np.linalg.norm(np.ravel(g), norm_type)) for _, _, g in gradients]
    total = float(np.linalg.norm(norms, norm_type)) if norms else 0.0
    if total + 1e-6 > max_norm:
        for _, p, g in gradients:
            g *= max_norm / (total + 1e-6)
            p.grad = g
    return total


def clip_grad_value_(parameters: Iterable[Value], clip_value: float) -> None:
    """Confine every element of every gradient to [-clip_value, clip_value].  The direction may change."""
    for _, p, g in _gradients(_listed(parameters)):
        p.grad = np.clip(g, -clip_value, clip_value, out=g if type(g) is np.ndarray else None)


# ── learning-rate schedules ───────────────────────────────────────────────────


class Schedule:
    """Sets `optimizer.lr` to `rate(base, t)` after t calls of `step()`, base being the lr it found.

    Schedules of one optimiser share their base: what the first of them found.
    """

    def __init__(self, optimizer: Optimizer):
        self.optimizer = optimizer
        if optimizer.initial_lr is None:
            optimizer.initial_lr = optimizer.lr
        self.base = optimizer.initial_lr
        self.t = 0
        optimizer.lr = self.rate(self.base, 0)

    def rate(self, base: float, t: int) -> float:
        """The learning rate after t steps of the schedule."""
        raise NotImplementedError(f"{type(self).__name__} needs a rate(base, t)")

    def step(self) -> None:
        """Go on by one: once after every epoch, or after every batch, as the schedule counts."""
        self.t += 1
        self.optimizer.lr = self.rate(self.base, self.t)

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule stands."""
        return {"t": self.t, "base": self.base}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self.t, self.base = state["t"], state["base"]
        self.optimizer.lr = self.rate(self.base, self.t)


class LambdaLR(Schedule):
    """base · lr_lambda(t): any schedule of one's own."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]):
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        return base * self.lr_lambda(t)


class StepLR(Schedule):
    """base · gammaᵏ with k = ⌊t / step_size⌋: a drop every step_size steps."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        return base * self.gamma ** (t // self.step_size)


class LinearLR(Schedule):
    """Warm-up: from base · start_factor in a straight line to base · end_factor at total_iters, and on at that.

    Large steps at first harm a network whose gradients are not yet settled (Goyal et al. 2017,
    https://arxiv.org/abs/1706.02677).
    """

    def __init__(self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5):
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        return base * (self.start_factor + (self.end_factor - self.start_factor) * min(t, self.total_iters) / self.total_iters)


class CosineAnnealingLR(Schedule):
    """eta_min + (base - eta_min) · (1 + cos(π t / T_max)) / 2: half a cosine wave from base down to eta_min.

    Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class SequentialLR(Schedule):
    """One schedule after another; the next takes over, counting from 0, at each of the milestones.

    SequentialLR(optimizer, [LinearLR(optimizer, total_iters=5), CosineAnnealingLR(optimizer, T_max=45)], milestones=[5])
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[Schedule], milestones: Sequence[int]):
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"SequentialLR: {len(schedulers)} schedules need {len(schedulers) - 1} milestones, not {len(milestones)}")
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        k = bisect_right(self.milestones, t)
        return self.schedulers[k].rate(base, t - self.milestones[k - 1] if k else t)


# ── parameters and their gradients ────────────────────────────────────────────


def _listed(params: Iterable[Value]) -> list[Value]:
    if isinstance(params, Value):
        raise TypeError("expected a list of parameters, not one: write [p], or model.parameters()")
    listed = list(params)
    for i, p in enumerate(listed):
        if not isinstance(p, Value):
            raise TypeError(f"parameter {i} is a {type(p).__name__}, not a Value; pass model.parameters()")
    return listed


def _gradients(params: list[Value]) -> list[tuple[int, Value, Any]]:
    """(index, parameter, gradient) of those that have one, as plain numbers, every one of them finite."""
    found = []
    for i, p in enumerate(params):
        if p.has_grad:
            g = p.grad.detach().data if isinstance(p.grad, Value) else p.grad  # a Value after backward(create_graph=True)
            if not (math.isfinite(g) if type(g) is float else np.isfinite(g).all()):
                kind = "NaN" if np.isnan(g).any() else "inf"
                raise FloatingPointError(
                    f"the gradient of {_name(i, p)} holds a {kind}; "
                    "run the forward and the backward pass under engine.detect_anomaly() to see where it comes from"
                )
            found.append((i, p, g))
    return found


def _name(i: int, p: Value) -> str:
    return f"parameter {i}, {describe(p)},"


def _copy(number: Any) -> Any:
    return number.copy() if isinstance(number, np.ndarray) else number
