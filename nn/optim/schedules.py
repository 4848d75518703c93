"""Learning-rate schedules: the learning rate of an optimiser as a function of the number of steps."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from .optimizers import Optimizer

__all__ = ["CosineAnnealingLR", "LambdaLR", "LinearLR", "Schedule", "SequentialLR", "StepLR"]


class Schedule:
    """The base of all schedules: after t calls of `step()`, `optimizer.lr` is `rate(base, t)`.

    `base` is the learning rate of the optimiser when its first schedule was made; later schedules of the same
    optimiser use the same base.

    Raises:
        ValueError: in `step`, if something else has set the learning rate since: it would be overwritten.
    """

    def __init__(self, optimizer: Optimizer):
        self.optimizer = optimizer
        if optimizer.initial_lr is None:
            optimizer.initial_lr = optimizer.lr
        self.base = optimizer.initial_lr
        self.t = 0
        self._set_rate()

    def rate(self, base: float, t: int) -> float:
        """The learning rate after t steps of the schedule."""
        raise NotImplementedError(f"{type(self).__name__} needs a rate(base, t)")

    def step(self) -> None:
        """Count one step, and set the learning rate; call it after every epoch or after every batch."""
        if self.optimizer.lr != self._rate:
            raise ValueError(
                f"{type(self).__name__}.step(): the learning rate was set to {self._rate:g} here, and then to {self.optimizer.lr:g} "
                "by another schedule or an assignment; combine schedules with SequentialLR or LambdaLR, or assign to schedule.base"
            )
        self.t += 1
        self._set_rate()

    def _set_rate(self) -> None:
        self._rate = self.optimizer.lr = self.rate(self.base, self.t)

    def state_dict(self) -> dict[str, Any]:
        """The number of steps and the base."""
        return {"t": self.t, "base": self.base}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a dict of `state_dict`, and set the learning rate of the optimiser to match."""
        self.t, self.base = state["t"], state["base"]
        self._set_rate()


class LambdaLR(Schedule):
    """base · lr_lambda(t), with any function lr_lambda."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]):
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        return base * self.lr_lambda(t)


class StepLR(Schedule):
    """base · gammaᵏ with k = ⌊t / step_size⌋: the rate changes by the factor gamma every step_size steps."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        return base * self.gamma ** (t // self.step_size)


class LinearLR(Schedule):
    """Warm-up: from base · start_factor linearly to base · end_factor at t = total_iters, and constant after that.

    At the start of training the gradients change fast, and large steps can do harm (Goyal et al. 2017,
    https://arxiv.org/abs/1706.02677).
    """

    def __init__(self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5):
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        return base * (self.start_factor + (self.end_factor - self.start_factor) * min(t, self.total_iters) / self.total_iters)


class CosineAnnealingLR(Schedule):
    """eta_min + (base - eta_min) · (1 + cos(π t / T_max)) / 2: half a period of a cosine, from base down to eta_min.

    Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class SequentialLR(Schedule):
    """One schedule after another: at each milestone the next one starts, with its own t counted from 0.

    SequentialLR(optimizer, [LinearLR(optimizer, total_iters=5), CosineAnnealingLR(optimizer, T_max=45)], milestones=[5])

    Raises:
        ValueError: there is not one milestone between each two schedules.
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[Schedule], milestones: Sequence[int]):
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"SequentialLR: {len(schedulers)} schedules need {len(schedulers) - 1} milestones, not {len(milestones)}")
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        k = bisect_right(self.milestones, t)
        return self.schedulers[k].rate(base, t - self.milestones[k - 1] if k else t)
