"""How sharp are gradient checkers, and how often do they cry wolf?

    python -m tests.benchmarks.checkers

Two columns for each checker that is installed, every one with its default tolerances, in double precision:

* the smallest error that it catches: sin, tanh, exp, x³ and x·log x at three points each, with a backward
  rule that is wrong by the factor 1 + d; the smallest d of 1e-1, 1e-2, ... that is noticed every time;
* false alarms: functions that are right, at nine awkward points.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import engine
from engine.primitives import Primitive

DECADES = range(1, 15)
POINTS = (0.3, 0.7, 1.7)

# name: (the function by any library's names, its derivative)
SMOOTH: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "sin": (lambda np, x: np.sin(x), lambda np, x: np.cos(x)),
    "tanh": (lambda np, x: np.tanh(x), lambda np, x: 1 - np.tanh(x) ** 2),
    "exp": (lambda np, x: np.exp(x), lambda np, x: np.exp(x)),
    "x³": (lambda np, x: x**3, lambda np, x: 3 * x**2),
    "x log x": (lambda np, x: x * np.log(x), lambda np, x: np.log(x) + 1),
}

AWKWARD: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "relu at 0": (lambda np, x: np.maximum(x, 0 * x), 0.0),
    "relu at 1e-9": (lambda np, x: np.maximum(x, 0 * x), 1e-9),
    "a tie in max": (lambda np, x: np.max(x), [1.0, 3.0, 3.0]),
    "x³ at 1e4": (lambda np, x: x**3, 1e4),
    "x³ at 1e8": (lambda np, x: x**3, 1e8),
    "1/x at 1e-4": (lambda np, x: 1 / x, 1e-4),
    "exp at ±30": (lambda np, x: np.exp(x), [30.0, -30.0]),
    "log at 1e-7": (lambda np, x: np.log(x), 1e-7),
    "abs at 0": (lambda np, x: np.abs(x), 0.0),
}


class Checker:
    """A library's gradient checker: `accepts` a function at a point, `with_rule` makes one with a rule of its own."""

    name = "chainrule"

    def __init__(self) -> None:
        self.np: Any = np

    def relu(self, x: Any) -> Any:
        return engine.relu(x)

    def with_rule(self, f: Any, slope: Any, d: float) -> Callable[[Any], Any]:
        wrong = Primitive("wrong", lambda x: f(np, x), [lambda g, out, x: g * slope(np, x) * (1 + d)])
        return lambda x: wrong(x)

    def accepts(self, f: Callable[[Any], Any], x: Any) -> bool:
        return bool(engine.check(f, np.array(x) if isinstance(x, list) else x))


class Torch(Checker):
    name = "PyTorch"

    def __init__(self) -> None:
        import torch

        self.np = self.torch = torch

    def relu(self, x: Any) -> Any:
        return self.torch.relu(x)

    def with_rule(self, f: Any, slope: Any, d: float) -> Callable[[Any], Any]:
        torch = self.torch

        class Wrong(torch.autograd.Function):  # type: ignore[name-defined, misc]
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                ctx.save_for_backward(x)
                return f(torch, x)

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                return g * slope(torch, ctx.saved_tensors[0]) * (1 + d)

        return Wrong.apply  # type: ignore[no-any-return]

    def accepts(self, f: Callable[[Any], Any], x: Any) -> bool:
        return bool(self.torch.autograd.gradcheck(f, self.torch.tensor(x, dtype=self.torch.float64, requires_grad=True)))


class OursOnTorch(Torch):
    name = "chainrule, on PyTorch's functions"

    def accepts(self, f: Callable[[Any], Any], x: Any) -> bool:
        return bool(engine.check(f, self.torch.tensor(x, dtype=self.torch.float64), names=["x"]))


class Jax(Checker):
    name = "JAX"

    def __init__(self) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)
        self.jax, self.np = jax, jax.numpy

    def relu(self, x: Any) -> Any:
        return self.jax.nn.relu(x)

    def with_rule(self, f: Any, slope: Any, d: float) -> Callable[[Any], Any]:
        wrong = self.jax.custom_vjp(lambda x: f(self.np, x))
        wrong.defvjp(lambda x: (f(self.np, x), x), lambda x, g: (g * slope(self.np, x) * (1 + d),))
        return wrong  # type: ignore[no-any-return]

    def accepts(self, f: Callable[[Any], Any], x: Any) -> bool:
        from jax.test_util import check_grads

        check_grads(f, (self.np.asarray(x),), order=1, modes=["rev"])
        return True


class Autograd(Checker):
    name = "autograd"

    def __init__(self) -> None:
        import autograd.numpy

        self.np = autograd.numpy

    def relu(self, x: Any) -> Any:
        return self.np.maximum(x, 0.0)

    def with_rule(self, f: Any, slope: Any, d: float) -> Callable[[Any], Any]:
        from autograd.extend import defvjp, primitive

        wrong = primitive(lambda x: f(np, x))
        defvjp(wrong, lambda out, x: lambda g: g * slope(np, x) * (1 + d))
        return wrong  # type: ignore[no-any-return]

    def accepts(self, f: Callable[[Any], Any], x: Any) -> bool:
        from autograd.test_util import check_grads

        check_grads(f, modes=["rev"], order=1)(np.array(x) if isinstance(x, list) else x)
        return True


def installed() -> list[Checker]:
    """The checkers that can be made here."""
    found = []
    for kind in (Torch, Jax, Autograd, Checker, OursOnTorch):
        try:
            found.append(kind())
        except ImportError:
            continue
    return found


def alarm(checker: Checker, f: Callable[[Any], Any], x: Any) -> bool:
    """Whether the checker objects; some return False, others raise."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return not checker.accepts(f, x)
        except (AssertionError, RuntimeError, ValueError):
            return True


def smallest_caught(checker: Checker) -> float:
    """The smallest error that is noticed in every function at every point; NaN if none is."""
    caught = math.nan
    for decade in DECADES:
        d = 10.0**-decade
        for f, slope in SMOOTH.values():
            wrong = checker.with_rule(f, slope, d)
            if not all(alarm(checker, wrong, x) for x in POINTS):
                return caught
        caught = d
    return caught


def false_alarms(checker: Checker) -> list[str]:
    """The awkward cases at which a right derivative is called wrong."""
    found = []
    for name, (f, x) in AWKWARD.items():
        tested = checker.relu if name.startswith("relu") else lambda x, f=f: f(checker.np, x)
        if alarm(checker, tested, x):
            found.append(name)
    return found


def main() -> None:
    """Print the table."""
    table = Table(title="A rule that is wrong by the factor 1 + d, and nine that are right", title_justify="left")
    for column in ("checker", "smallest d caught every time", "false alarms of 9", "at"):
        table.add_column(column, justify="right" if column.startswith(("smallest", "false")) else "left")
    for checker in installed():
        np.random.seed(0)  # noqa: NPY002  autograd's checker draws from the global generator
        alarms = false_alarms(checker)
        table.add_row(checker.name, f"{smallest_caught(checker):.0e}", str(len(alarms)), ", ".join(alarms))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
