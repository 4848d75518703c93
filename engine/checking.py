"""Gradient testing: is this derivative right?

    def cube(x):
        return np.sum(x**3)

    check(cube, np.array([1.0, -2.0]))                            # the engine's gradient against a numerical one
    check(cube, np.array([1.0, -2.0]), grad=lambda x: 3 * x**2)   # a gradient written by hand
    gradcheck(cube, np.array([1.0, -2.0]))                        # True, or GradcheckError, as in PyTorch

The numerical derivative is Richardson's extrapolation of central differences

    D(h) = (f(x+h) - f(x-h)) / 2h = f'(x) + c₂h² + c₄h⁴ + ...

at h, h/2, h/4, ...: each combination of two neighbours removes one more power of h², and the distance
between the last two columns estimates the error (Ridders 1982, Advances in Engineering Software 4:75-76).
So the tolerance is not guessed: it follows from the estimate, per element.  The function is evaluated in
the machine's extended precision where it can be (the engine's rules run on any floating dtype), which
leaves 10 to 16 correct digits, and by a complex step where only that is exact.  The same evaluations give
the derivatives from the left and from the right, and so tell a kink from a smooth point; where neither
settles, the steps shrink by powers of 64, down to 1e-10 of the input.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from . import calculus
from .backprop import backprop, reachable
from .value import Value

__all__ = ["VERDICTS", "Element", "GradcheckError", "Report", "check", "gradcheck"]

VERDICTS = ("right", "kink", "wrong", "domain", "imprecise", "nondeterministic", "disconnected")
RIGHT, KINK, WRONG, DOMAIN, IMPRECISE, NONDETERMINISTIC, DISCONNECTED = range(7)

Array = np.ndarray[Any, Any]

EXTENDED = np.longdouble if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps else np.float64
MANY_INPUTS = 1_000  # beyond, "auto" checks random projections
MANY_OUTPUTS = 1_000  # beyond, or above MANY_PAIRS, outputs are joined by random cotangents
MANY_PAIRS = 1_000_000
COTANGENTS = 8
FIRST_STEP = 2.0**-4  # of the input
LEVELS = 7  # halvings within one scale
SCALES = [2.0 ** (-6 * k) for k in range(6)]  # where the first step does not settle it: down to 1e-10 of the input
SETTLED = 1e-11  # the relative error at which an estimate is good enough to stop
DECIDABLE = 1e-6  # ... and the one beyond which it proves nothing
SAFETY = 8.0  # tolerance per estimated error


# ── the public face ───────────────────────────────────────────────────────────


class Element(NamedTuple):
    """One derivative, ∂output/∂input[index], and the verdict on it."""

    input: str  # the name of the input: "x", "params['w']"
    index: tuple[int, ...]  # the place in it; () for a scalar
    output: str  # "" for a scalar result, "[2]" for an element, "u1" for a random cotangent
    analytic: float
    numerical: float
    error: float  # the estimated error of the numerical one
    verdict: str  # one of VERDICTS
    note: str  # what else is known, in words


class GradcheckError(AssertionError):
    """A gradient that is not right; `report` tells where."""

    def __init__(self, report: Report):
        super().__init__(str(report))
        self.report = report


class Report:
    """What `check` found: true when every element is right or a kink.

    `elements` has an `Element` for each derivative; `failures` those that are neither right nor kink;
    `counts` their number by verdict; `worst` the one to look at first.  `print` it for a table.

    The verdicts: *right*; *kink*, the one-sided derivatives differ, or a node of the graph lies on its
    kink, and the convention's value is one of those that the kink allows; *wrong*; *domain*, the function
    is not finite here or on one side of here, so there is no two-sided derivative to compare with;
    *imprecise*, the numbers are too noisy here to decide; *nondeterministic*, two calls differ;
    *disconnected*, the result depends on the input, yet no path of the graph leads from one to the other.
    """

    def __init__(self, name: str, mode: str, blocks: Sequence[_Block]):
        self.name = name
        self.mode = mode
        self._blocks = blocks

    def __bool__(self) -> bool:
        return not any((block.verdict > KINK).any() for block in self._blocks)

    @cached_property
    def elements(self) -> list[Element]:
        return [element for block in self._blocks for element in block.elements(np.ones(block.verdict.shape, bool))]

    @cached_property
    def failures(self) -> list[Element]:
        return [element for block in self._blocks for element in block.elements(block.verdict > KINK)]

    @property
    def counts(self) -> dict[str, int]:
        total = sum((np.bincount(block.verdict.ravel(), minlength=len(VERDICTS)) for block in self._blocks), np.zeros(len(VERDICTS), int))
        return {verdict: int(n) for verdict, n in zip(VERDICTS, total, strict=True) if n}

    @property
    def worst(self) -> Element | None:
        return max(self.failures or self.elements, key=_badness, default=None)

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        lines = [self._headline()]
        rows = self._rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
        for i, row in enumerate(rows):
            lines.append(
                "  "
                + "  ".join(
                    cell.rjust(w) if 2 <= k <= 5 else cell.ljust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
                ).rstrip()
            )
            if not i:
                lines.append("  " + "  ".join("─" * w for w in widths))
        hidden = sum(self.counts.values()) - len(rows) + 1
        if hidden > 0:
            lines.append(f"  ... and {hidden:,} more")
        return "\n".join(lines)

    def _headline(self) -> str:
        counted = ", ".join(f"{n:,} {verdict}" for verdict, n in self.counts.items()) or "nothing to check"
        return f"{self.name}: {'passed' if self else 'FAILED'}: {counted}"

    def _rows(self, most: int = 20) -> list[tuple[str, ...]]:
        """The table's header and lines: everything if that is little, else what failed, worst first, and the kinks."""
        if sum(self.counts.values()) <= most:
            shown = self.elements
        else:
            shown = sorted(self.failures, key=_badness, reverse=True) or [
                element for block in self._blocks for element in block.elements(block.verdict == KINK)
            ]
            shown = (shown or self.elements)[:most]
        if not shown:
            return []
        table: list[tuple[str, ...]] = [("derivative", "at", "analytic", "numerical", "difference", "± error", "verdict", "note")]
        for e in shown:
            at = e.input + (f"[{', '.join(map(str, e.index))}]" if e.index else "")
            table.append(
                (
                    f"∂{e.output or 'f'}/∂{at}",
                    "",
                    f"{e.analytic:.12g}",
                    f"{e.numerical:.12g}",
                    f"{e.analytic - e.numerical:.1e}",
                    f"{e.error:.0e}",
                    e.verdict,
                    e.note,
                )
            )
        return [tuple(cell for k, cell in enumerate(row) if k != 1) for row in table]

    def _repr_html_(self) -> str:
        from html import escape

        colours = dict(zip(VERDICTS, ("#2e7d32", "#b26a00", "#c62828", "#6a1b9a", "#6a1b9a", "#c62828", "#c62828"), strict=True))
        header, *rows = self._rows() or [()]
        cells = "".join(f"<th>{escape(cell)}</th>" for cell in header)
        body = "".join(
            "<tr>"
            + "".join(f'<td style="color:{colours[c]};font-weight:bold">{c}</td>' if c in colours else f"<td>{escape(c)}</td>" for c in row)
            + "</tr>"
            for row in rows
        )
        return f"<p>{escape(self._headline())}</p><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def check(
    f: Callable[..., Any],
    *args: Any,
    grad: Any = None,
    argnums: int | Sequence[int] | None = None,
    mode: str = "auto",
    order: int = 1,
    eps: float | None = None,
    atol: float = 0.0,
    rtol: float = 0.0,
    directions: int = 8,
    seed: int = 0,
    names: Sequence[str] | None = None,
    progress: bool | None = None,
) -> Report:
    """Compare the derivatives of f at args with numerical ones, element by element.

    Args:
        f: a function of floats, arrays or Values, or of lists, tuples and dicts of them.  Each output
            counts: with up to 1,000 of them every pair of output and input is compared, with more
            random combinations of the outputs.
        args: where to check.  Integer arguments and other objects are handed through; copies are made of the rest.
        grad: None for the derivative by the engine; else the gradient to test, as a function of the
            same arguments or as an array (for several arguments a tuple of them), and f is plain NumPy.
        argnums: the arguments to differentiate by; all by default.
        mode: "elements"; "projections", the derivative along random directions, for large inputs;
            "auto", elements up to 1,000 inputs.
        eps: the first step, relative to the input, in place of 1/16.
        atol, rtol: an extra tolerance of atol + rtol · |numerical|; by default the estimated error decides alone.
        directions: how many projections.
        seed: of the random directions and cotangents.
        names: of the arguments; by default f's parameter names or the Values' labels.
        progress: show a progress bar; by default on a terminal when it takes long.
    """
    rng = np.random.default_rng(seed)
    subject = _subject(f, args, grad, argnums, names)
    with np.errstate(all="ignore"):
        run = _Run(subject, rng, eps or FIRST_STEP, atol, rtol)
        if mode == "auto":
            mode = "elements" if sum(leaf.size for leaf in subject.leaves) <= MANY_INPUTS else "projections"
        if mode == "elements":
            blocks = run.elements(progress)
        else:
            raise ValueError(f"check: mode is 'auto' or 'elements', not {mode!r}")
    return Report(getattr(f, "__name__", type(f).__name__), mode, blocks)


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float | None = None,
    atol: float = 0.0,
    rtol: float = 0.0,
    raise_exception: bool = True,
) -> bool:
    """Whether the gradient of func at the inputs is right, with PyTorch's signature: True, or GradcheckError.

    Args:
        func: the function.
        inputs: a tuple of its arguments, or the only one.
        eps, atol, rtol: as in `check`.  PyTorch's defaults let an error of 1e-3 pass; here the error
            estimate decides, and a tolerance that is given is added to it.
        raise_exception: False returns False instead of raising.
    """
    report = check(func, *(inputs if isinstance(inputs, (tuple, list)) else (inputs,)), eps=eps, atol=atol, rtol=rtol)
    if not report and raise_exception:
        raise GradcheckError(report)
    return bool(report)


def _badness(element: Element) -> float:
    """Wrong before the undecided, and the larger relative difference first."""
    gap = abs(element.analytic - element.numerical) / max(abs(element.analytic), abs(element.numerical), 1e-300)
    return (4.0 if element.verdict == "wrong" else 0.0) + (gap if gap == gap else 2.0)


class _Block:
    """The derivatives of all outputs by one input: arrays of shape (outputs, elements)."""

    def __init__(self, input: str, shape: tuple[int, ...], outputs: Sequence[str], places: Sequence[tuple[int, ...]]):
        self.input, self.shape, self.outputs, self.places = input, shape, outputs, places
        size = (len(outputs), len(places))
        self.analytic, self.numerical, self.error = np.zeros(size), np.zeros(size), np.zeros(size)
        self.verdict = np.zeros(size, np.uint8)
        self.notes: dict[tuple[int, int], str] = {}

    def elements(self, chosen: Array) -> Iterator[Element]:
        for j, i in zip(*np.nonzero(chosen.T)[::-1], strict=True):
            yield Element(
                self.input,
                self.places[i],
                self.outputs[j],
                float(self.analytic[j, i]),
                float(self.numerical[j, i]),
                float(self.error[j, i]),
                VERDICTS[self.verdict[j, i]],
                self.notes.get((int(j), int(i)), ""),
            )


# ── functions under test ──────────────────────────────────────────────────────


class _Subject:
    """A function and its derivative as functions of a list of arrays: the numbers under test.

    Attributes:
        leaves: those numbers, each an array of its dtype.
        names: a name for each.
    """

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], argnums: Any, names: Sequence[str] | None):
        self.f, self.args = f, args
        if argnums is None:
            chosen = [n for n, arg in enumerate(args) if any(map(self.is_number, calculus._leaves(arg)))]
        else:
            chosen = [int(n) % len(args) for n in ([argnums] if isinstance(argnums, (int, np.integer)) else argnums)]
        if not chosen:
            raise TypeError(
                "check: no argument is a float, a floating array or a Value that requires a gradient, so there is nothing to check"
            )
        self.chosen = chosen
        self.leaves: list[Array] = []
        self.names: list[str] = []
        given = list(names) if names is not None else _parameters(f, args)
        for n in chosen:
            for path, leaf in _paths(args[n]):
                if self.is_number(leaf):
                    self.leaves.append(np.array(self.plain(leaf)))
                    label = getattr(leaf, "label", "") if names is None else ""
                    self.names.append(label or given[n] + path)

    # What differs between libraries.
    def is_number(self, leaf: Any) -> bool:
        """Whether it is differentiated by."""
        if isinstance(leaf, Value):
            return leaf.requires_grad
        return isinstance(leaf, (float, np.floating)) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f")

    def plain(self, leaf: Any) -> Any:
        """Its numbers."""
        return leaf._data if isinstance(leaf, Value) else leaf

    def wrap(self, array: Array, like: Any) -> Any:
        """The numbers as f wants them, for one evaluation."""
        raise NotImplementedError

    def unwrap(self, output: Any) -> Any:
        """The numbers of one output."""
        return output._data if isinstance(output, Value) else output

    def pull(self, leaves: Sequence[Array], cotangents: Array) -> tuple[list[Array], list[bool]]:
        """For each leaf cotangentsᵀ·J, of shape (rows, leaf.size); and whether any path leads to it."""
        raise NotImplementedError

    def fill(self, leaves: Sequence[Any]) -> list[Any]:
        """The arguments with other numbers under test."""
        numbers = iter(leaves)
        filled = list(self.args)
        for n in self.chosen:
            filled[n] = calculus._map(lambda leaf: next(numbers) if self.is_number(leaf) else leaf, self.args[n])
        return filled

    def originals(self) -> list[Any]:
        return [leaf for n in self.chosen for leaf in calculus._leaves(self.args[n]) if self.is_number(leaf)]

    def call(self, leaves: Sequence[Array]) -> Any:
        return self.f(*self.fill([self.wrap(leaf, like) for leaf, like in zip(leaves, self.originals(), strict=True)]))

    def evaluate(self, leaves: Sequence[Array]) -> Array:
        """All outputs in one row."""
        return _row([self.unwrap(out) for out in calculus._leaves(self.call(leaves))])

    def labels(self, output: Any) -> list[str]:
        """A name for each number of the output."""
        found = []
        for path, leaf in _paths(output):
            for index in np.ndindex(np.shape(self.unwrap(leaf))):
                found.append(path + (f"[{', '.join(map(str, index))}]" if index else ""))
        return ["f" + label if label else "" for label in found]


class _Ours(_Subject):
    """A function of Values, differentiated by the engine."""

    def wrap(self, array: Array, like: Any) -> Any:
        if array.dtype.kind == "c":
            return array[()]
        return Value(array, requires_grad=False)

    def pull(self, leaves: Sequence[Array], cotangents: Array) -> tuple[list[Array], list[bool]]:
        inputs = [Value(leaf, label=name) for leaf, name in zip(leaves, self.names, strict=True)]
        outputs = calculus._leaves(self.f(*self.fill(inputs)))
        reached = set(reachable([out for out in outputs if isinstance(out, Value)]))
        rows = [np.zeros((len(cotangents), leaf.size), leaf.dtype) for leaf in leaves]
        start = 0
        for output in outputs:
            end = start + int(np.size(self.unwrap(output)))
            for k, u in enumerate(cotangents[:, start:end]):
                if isinstance(output, Value) and output.requires_grad and u.any():
                    seed = float(u[0]) if type(output._data) is float else u.astype(output.dtype).reshape(output.shape)[()]
                    found = backprop(output, seed, inputs=inputs)
                    for row, leaf in zip(rows, inputs, strict=True):
                        if leaf in found:
                            row[k] += np.ravel(found[leaf])
            start = end
        return rows, [leaf in reached for leaf in inputs]


class _Plain(_Subject):
    """A function in plain NumPy and a gradient written by hand."""

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], argnums: Any, names: Sequence[str] | None, grad: Any):
        super().__init__(f, args, argnums, names)
        self.grad = grad

    def wrap(self, array: Array, like: Any) -> Any:
        return array.copy() if array.ndim else float(array) if array.dtype == np.float64 else array[()]

    def pull(self, leaves: Sequence[Array], cotangents: Array) -> tuple[list[Array], list[bool]]:
        wrapped = [self.wrap(leaf, like) for leaf, like in zip(leaves, self.originals(), strict=True)]
        result = self.grad(*self.fill(wrapped)) if callable(self.grad) else self.grad
        parts = [result] if len(leaves) == 1 and not isinstance(result, (list, tuple, dict)) else calculus._leaves(result)
        if len(parts) != len(leaves):
            raise ValueError(f"check: grad returned {len(parts)} arrays for {len(leaves)} inputs ({', '.join(self.names)})")
        rows, outputs = [], cotangents.shape[1]
        for part, leaf, name in zip(parts, leaves, self.names, strict=True):
            part = np.asarray(self.unwrap(part))
            if part.size != outputs * leaf.size or part.shape[part.ndim - leaf.ndim :] != leaf.shape:
                raise ValueError(
                    f"check: the gradient by {name} has shape {part.shape}; the input has {leaf.shape}"
                    + (f", and there are {outputs} outputs, so grad returns the Jacobian, f(x).shape + x.shape" if outputs > 1 else "")
                )
            rows.append(cotangents @ part.reshape(outputs, leaf.size))
        return rows, [True] * len(leaves)


def _subject(f: Callable[..., Any], args: Sequence[Any], grad: Any, argnums: Any, names: Sequence[str] | None) -> _Subject:
    if grad is not None:
        return _Plain(f, args, argnums, names, grad)
    return _Ours(f, args, argnums, names)


def _row(parts: Sequence[Any]) -> Array:
    return np.concatenate([np.ravel(part) for part in parts]) if len(parts) != 1 else np.ravel(parts[0])


def _paths(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a structure with the index expression that leads to it, in the order of `calculus._leaves`."""
    if isinstance(tree, dict):
        for key, item in tree.items():
            yield from _paths(item, f"{path}[{key!r}]")
    elif isinstance(tree, (list, tuple)):
        for i, item in enumerate(tree):
            yield from _paths(item, f"{path}[{i}]")
    else:
        yield path, tree


def _parameters(f: Callable[..., Any], args: Sequence[Any]) -> list[str]:
    """What f calls its arguments."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [names[i] if i < len(names) else "x" if len(args) == 1 else f"x{i}" for i in range(len(args))]


# ── numerical derivatives ─────────────────────────────────────────────────────


class _Tableau:
    """Richardson's extrapolation to h = 0 of a quantity given at h, h/2, h/4, ..., for many outputs at once.

    The quantity has an expansion in powers of h^order.  `value` is the entry with the smallest estimated
    error so far, chosen for each output by itself.
    """

    def __init__(self, order: int):
        self.order = order
        self.row: list[Array] = []
        self.value: Any = np.nan
        self.error: Any = np.inf

    def add(self, first: Array, noise: Array) -> None:
        """The next halving; `noise` bounds what rounding did to it."""
        row = [first]
        if not self.row:
            self.value, self.error = first, np.full_like(first, np.inf)
        for j, older in enumerate(self.row):
            row.append(row[j] + (row[j] - older) / (2.0 ** (self.order * (j + 1)) - 1.0))
            error = np.maximum(np.abs(row[j + 1] - row[j]), np.abs(row[j + 1] - older)) + noise
            better = error < self.error
            self.value = np.where(better, row[j + 1], self.value)
            self.error = np.where(better, error, self.error)
        self.row = row


class _Estimate(NamedTuple):
    """Derivatives along one line, an entry for each output."""

    slope: Array  # two-sided
    error: Array
    left: Array  # one-sided
    right: Array
    gap: Array  # the estimated error of right - left
    scale: Array  # how much the function changes per step: the size that makes an error large or small
    finite: Array  # whether both sides are


def _estimate(phi: Callable[[float], Array], here: Array, weight: Array, step: float, eps: float) -> _Estimate:
    """Differentiate phi at 0 by steps of `step` and its halves.

    Args:
        phi: the outputs at a distance along the line.
        here: phi(0).
        weight: the size of the numbers that phi is computed from, which rounding is relative to.
        eps: the rounding of one evaluation.
    """
    centre, left, right = _Tableau(2), _Tableau(1), _Tableau(1)
    scale = np.zeros_like(here)
    finite = np.ones(here.shape, bool)
    for level in range(LEVELS):
        h = step / 2.0**level
        ahead, behind = phi(h), phi(-h)
        noise = 2.0 * eps * np.maximum(weight, np.maximum(np.abs(ahead), np.abs(behind))) / h
        right.add((ahead - here) / h, 2.0 * noise)
        left.add((here - behind) / h, 2.0 * noise)
        centre.add((ahead - behind) / (2.0 * h), noise)
        finite = np.isfinite(ahead) & np.isfinite(behind)
        scale = np.maximum(np.abs(right.row[0]), np.abs(left.row[0]))
        if level > 2 and np.all((centre.error <= SETTLED * scale) | ~finite):
            break
    return _Estimate(centre.value, centre.error, left.value, right.value, left.error + right.error, scale, finite)


# ── verdicts ──────────────────────────────────────────────────────────────────


class _Run:
    """One check: the subject, its values and analytic derivatives at the point."""

    def __init__(self, subject: _Subject, rng: np.random.Generator, step: float, atol: float, rtol: float):
        self.subject, self.rng, self.step, self.atol, self.rtol = subject, rng, step, atol, rtol
        leaves = subject.leaves
        output = subject.call(leaves)
        values = _row([subject.unwrap(out) for out in calculus._leaves(output)])
        again = subject.evaluate(leaves)
        inputs = sum(leaf.size for leaf in leaves)
        if values.size <= MANY_OUTPUTS and values.size * inputs <= MANY_PAIRS:
            self.cotangents, self.labels = np.eye(values.size), subject.labels(output)
        else:
            self.cotangents = rng.standard_normal((COTANGENTS, values.size))
            self.labels = [f"u{k + 1}" for k in range(COTANGENTS)]
        self.joined = len(self.cotangents) != values.size or values.size > MANY_OUTPUTS
        self.analytic, self.connected = subject.pull(leaves, self.cotangents)
        repeated, _ = subject.pull(leaves, self.cotangents)
        self.random = ~_same(self.project(values), self.project(again))
        for one, two in zip(self.analytic, repeated, strict=True):
            self.random |= ~_same(one, two).all(axis=1)

        # The numerical side in extended precision, where the function keeps it and agrees with itself.
        self.dtype: Any = np.float64
        self.exact = self.analytic
        self.extended = False
        if EXTENDED is not np.float64 and not self.random.any():
            try:
                wide = [leaf.astype(EXTENDED) for leaf in leaves]
                outputs = subject.evaluate(wide)
                if outputs.dtype == EXTENDED and np.allclose(outputs, values, rtol=1e-2, atol=1e-300, equal_nan=True):
                    self.dtype = EXTENDED
                    exact, _ = subject.pull(wide, self.cotangents)
                    if all(row.dtype == EXTENDED for row in exact):
                        self.exact, self.extended = exact, True
            except (TypeError, ValueError, ArithmeticError):
                self.dtype = np.float64
        self.leaves = [leaf.astype(self.dtype) for leaf in leaves]
        self.eps = float(np.finfo(self.dtype).eps)
        raw = subject.evaluate(self.leaves)
        self.eps = max(self.eps, float(np.finfo(raw.dtype).eps)) if raw.dtype.kind == "f" else self.eps
        self.here = self.project(raw)
        self.weight = np.abs(self.cotangents) @ np.abs(raw) if self.joined else np.abs(self.here)

    def project(self, values: Array) -> Array:
        """The outputs that are compared: each, or some random combinations."""
        return self.cotangents @ values if self.joined else values

    def at(self, k: int, direction: Array, t: float) -> Array:
        """The outputs with leaf k moved by t along a direction; NaN where the function raises."""
        moved = list(self.leaves)
        moved[k] = moved[k] + (direction * self.dtype(t)).reshape(moved[k].shape)
        try:
            return self.project(self.subject.evaluate(moved).astype(self.dtype))
        except (ArithmeticError, ValueError):
            return np.full_like(self.here, np.nan)

    def elements(self, progress: bool | None) -> list[_Block]:
        blocks = []
        for k, leaf in enumerate(self.leaves):
            block = _Block(self.subject.names[k], leaf.shape, self.labels, list(np.ndindex(leaf.shape)))
            for i in range(leaf.size):
                direction = np.zeros(leaf.size, self.dtype)
                direction[i] = 1
                self.judge(block, k, i, direction, _size(leaf, i), self.analytic[k][:, i], self.exact[k][:, i])
            blocks.append(block)
        return blocks

    def judge(self, block: _Block, k: int, i: int, direction: Array, size: float, analytic: Array, exact: Array) -> None:
        """Decide on column i of a block: the derivatives of all outputs along one direction."""
        n = len(analytic)
        block.analytic[:, i] = analytic
        verdict = np.full(n, 255, np.uint8)
        slope, error = np.full(n, np.nan), np.full(n, np.inf)
        if self.random.any():
            verdict[self.random] = NONDETERMINISTIC
        rounding = np.zeros(n)
        if not self.extended:
            kind = np.finfo(self.analytic[k].dtype if self.analytic[k].dtype.kind == "f" else np.float64).eps
            rounding = 64 * float(kind) * (np.abs(analytic) + np.abs(self.here) / size).astype(float)
        kept: _Estimate | None = None
        for shrink in SCALES:
            found = _estimate(
                lambda t: self.at(k, direction, t), self.here, self.weight, _power_of_two(self.step * size) * shrink, self.eps
            )
            typical = np.maximum(found.scale, np.abs(found.slope))
            tolerance = SAFETY * found.error + 1e-12 * np.maximum(np.abs(exact), np.abs(found.slope)) + rounding
            tolerance += self.atol + self.rtol * np.abs(found.slope)
            bent = np.abs(found.right - found.left) > SAFETY * found.gap + DECIDABLE * typical
            good = found.finite & ~bent & ((found.error <= DECIDABLE * typical) | ((found.scale == 0) & (exact == 0))) & (verdict == 255)
            agree = np.abs(exact - found.slope) <= tolerance
            better = (found.error < error) & (verdict == 255)
            slope = np.where(better, found.slope, slope).astype(float)
            error = np.where(better, found.error, error).astype(float)
            verdict[good & agree] = RIGHT
            verdict[good & ~agree & (found.error <= SETTLED * 100 * typical)] = WRONG
            kept = found
            if (verdict != 255).all():
                break
        assert kept is not None
        for j in np.flatnonzero(verdict == 255):
            verdict[j], slope[j], error[j], note = self.unsettled(kept, j, float(exact[j]), slope[j], error[j])
            if note:
                block.notes[int(j), i] = note
        if not self.connected[k]:
            verdict[(verdict == WRONG) | (verdict == KINK)] = DISCONNECTED
        block.numerical[:, i], block.error[:, i], block.verdict[:, i] = slope, error, verdict

    def unsettled(self, last: _Estimate, j: int, exact: float, slope: float, error: float) -> tuple[int, float, float, str]:
        """The verdict on an output for which no scale gave a smooth and precise estimate; `last` is the smallest."""
        left, right, gap, scale = (float(a[j]) for a in (last.left, last.right, last.gap, last.scale))
        if not np.isfinite(self.here[j]):
            return DOMAIN, np.nan, np.nan, "the function is not finite here"
        if not last.finite[j]:
            side = "right" if np.isfinite(right) else "left"
            known = right if side == "right" else left
            return (
                DOMAIN,
                known,
                gap if np.isfinite(gap) else np.nan,
                "not finite on either side" if not np.isfinite(known) else f"finite only to the {side}",
            )
        if abs(right - left) > SAFETY * gap + DECIDABLE * scale:
            note = f"{left:.6g} from the left, {right:.6g} from the right"
            slack = SAFETY * gap + 1e-9 * scale
            between = min(left, right) - slack <= exact <= max(left, right) + slack
            return (KINK if between else WRONG), float(last.slope[j]), float(last.error[j]), note
        if abs(exact - slope) > 4 * SAFETY * error + self.atol + self.rtol * abs(slope):
            return WRONG, slope, error, ""
        return IMPRECISE, slope, error, "the function is too noisy here to decide"


def _same(one: Array, two: Array) -> Array:
    return np.asarray((one == two) | ((one != one) & (two != two)))


def _size(leaf: Array, i: int) -> float:
    """The scale of an input: its own magnitude; for a zero the largest of its neighbours, or 1."""
    own = abs(float(leaf.flat[i]))
    return own or float(np.max(np.abs(leaf))) or 1.0


def _power_of_two(h: float) -> float:
    """A power of two nearby: adding it to a float64 is exact."""
    return float(2.0 ** np.round(np.log2(h)))
