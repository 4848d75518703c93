"""Random points on the functions of the engine: `check` must pass all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from engine.primitives import TABLE, Primitive
from engine.prove.points import clear_of_kinks, inside


class Try(NamedTuple):
    """A call at which the function is finite and its derivative exists."""

    primitive: Primitive
    args: tuple[Any, ...]
    params: dict[str, Any]

    def f(self, *args: Any) -> Any:
        return self.primitive(*args, **self.params)

    def __str__(self) -> str:
        return f"{self.primitive.name}({', '.join(map(str, self.args))}{self.params or ''})"


def random_points(count: int, seed: int = 0) -> Iterator[Try]:
    """Numbers from 1e-8 to 1000, between -30 and 30, and integers; arrays of any scale for functions that take only those."""
    rng = np.random.default_rng(seed)
    alone = [p for _, p in sorted(TABLE.items()) if p.elementwise and p.built_in]
    others = [p for _, p in sorted(TABLE.items()) if not p.elementwise and p.built_in and p.cases]
    while count:
        on_arrays = rng.random() < 0.25
        primitive = (others if on_arrays else alone)[rng.integers(len(others if on_arrays else alone))]
        drawn = _on_arrays(primitive, rng) if on_arrays else Try(primitive, tuple(_number(rng, *d) for d in primitive.domain), {})
        with np.errstate(all="ignore"):
            fits = on_arrays or np.all(inside(primitive, drawn.args))
            if fits and np.all(np.isfinite(drawn.f(*drawn.args))) and clear_of_kinks(primitive, *drawn[1:], margin=0.0):
                yield drawn
                count -= 1


def _number(rng: np.random.Generator, low: float, high: float) -> float:
    for _ in range(100):
        kind = rng.random()
        if kind < 0.5:
            x = float(rng.choice([-1, 1]) * 10 ** rng.uniform(-8, 3))
        else:
            x = float(rng.uniform(-30, 30)) if kind < 0.85 else float(rng.integers(-9, 10))
        if low < x < high:
            return x
    return float(rng.uniform(max(low, -30), min(high, 30)))


def _on_arrays(primitive: Primitive, rng: np.random.Generator) -> Try:
    case = primitive.cases[rng.integers(len(primitive.cases))]
    scale, args = 10 ** rng.uniform(-3, 2), []
    for k, shape in enumerate(case.shapes):
        low, high = primitive.domain[0 if primitive.variadic else k]
        numbers = rng.standard_normal(shape) * scale
        if np.isfinite(low):
            numbers = low + 1e-3 + np.abs(numbers)
        if np.isfinite(high):
            numbers = np.minimum(numbers, high - 1e-3)
        args.append(numbers if shape else float(numbers))
    return Try(primitive, tuple(args), case.params)
