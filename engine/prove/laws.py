"""The laws that the rule of a primitive obeys.  Each takes a primitive and a call, and raises AssertionError where it is broken.

derivative       the vjp of every operand is the numerical derivative
in_small_dtypes  so it is on float32 and float16
linear           it is linear in the cotangent, and 0 for a cotangent of 0
same_everywhere  results and gradients are the same recorded or not, in every memory layout and dtype, and nothing is written to
same_on_floats   an elementwise rule gives on Python floats what it gives on arrays
same_later       another call in between changes nothing
same_at_zeros    -0.0 is 0.0
second, third    the vjp, recorded, has the right derivative itself, and that one too
beside_nan       an operand that is NaN and does not reach the result gets no gradient, and the others' gradients stay right
readable         the primitive can be drawn and explained
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backprop import backprop
from ..primitives import Primitive
from ..value import Value
from .checking import badness, check
from .literals import literal
from .points import Call
from .results import Element

__all__ = [
    "DECLARE_THE_KINK",
    "beside_nan",
    "close",
    "derivative",
    "gradients",
    "in_small_dtypes",
    "labelled_leaves",
    "linear",
    "operand_names",
    "readable",
    "same_at_zeros",
    "same_everywhere",
    "same_later",
    "same_on_floats",
    "second",
    "third",
    "vjps",
]

DECLARE_THE_KINK = 'that the entry does not declare; add it: kinks=[Kink("x = c", "0", lambda x: x - c)]'


# ── a primitive at a call ─────────────────────────────────────────────────────


def vjps(primitive: Primitive, call: Call) -> list[tuple[int, Callable[..., Any]]]:
    """The numbers of the operands that are differentiated, and their vjps with the parameters filled in."""
    found = []
    for k in range(len(call.args)):
        if rule := primitive.vjp(k):
            found.append((k, lambda g, out, *args, rule=rule: rule(g, out, *args, **call.params)))
    return found


def operand_names(primitive: Primitive, count: int) -> list[str]:
    """The names of the operands: those in the vjp, or x0, x1, ..., or x for a single one."""
    code = getattr(primitive.vjps[0], "__code__", None)
    named = list(code.co_varnames[2 : code.co_argcount])[:count] if code and not primitive.variadic else []
    if len(named) == count:
        return named
    return [f"x{k}" for k in range(count)] if count > 1 else ["x"]


def labelled_leaves(primitive: Primitive, call: Call) -> list[Value]:
    """The operands as leaves, labelled with their names."""
    names = operand_names(primitive, len(call.args))
    return [
        Value(arg, label=name, requires_grad=primitive.vjp(k) is not None)
        for k, (arg, name) in enumerate(zip(call.args, names, strict=True))
    ]


def gradients(primitive: Primitive, call: Call, g: Any) -> tuple[Any, list[Any]]:
    """The result, and the gradient of every operand (None for one without a vjp), as a backward pass from the cotangent g gives them."""
    leaves = labelled_leaves(primitive, call)
    out = primitive(*leaves, **call.params)
    found = backprop(out, g, inputs=leaves)
    return out, [found.get(leaf) for leaf in leaves]


def close(one: Any, two: Any, tolerance: float, floor: float = 0.0) -> bool:
    """Whether two results have the same shape and agree, relative to the largest number among them; NaN equals NaN.

    Args:
        floor: how far apart they may be in any case.
    """
    one, two = np.asarray(one, float), np.asarray(two, float)
    if one.shape != two.shape:
        return False
    size = np.max(np.absolute(two), initial=1e-300, where=np.isfinite(two))
    return bool(np.allclose(one, two, rtol=tolerance, atol=tolerance * size + floor, equal_nan=True))


def _cotangent(out: Any) -> Any:
    """A cotangent with a different weight for every element, in the shape of the result."""
    n = math.prod(np.shape(out))
    weights = 1.5 + np.cos(np.arange(1.0, n + 1.0))
    return weights.reshape(np.shape(out)) if np.ndim(out) else 1.0


def _text(data: Any) -> str:
    return literal(np.asarray(data)[()])


# ── first and second derivatives ──────────────────────────────────────────────


def derivative(primitive: Primitive, call: Call) -> None:
    """The vjp of every operand is the numerical derivative."""
    weights = _cotangent(primitive(*call.args, **call.params))
    wanted = [k for k, _ in vjps(primitive, call)]

    def weighted(*args: Any) -> Any:
        result = primitive(*args, **call.params)
        return np.sum(result * weights) if np.ndim(weights) else result

    _agrees_with_numerical("it", weighted, *call.args, argnums=wanted, names=operand_names(primitive, len(call.args)))


def in_small_dtypes(primitive: Primitive, call: Call) -> None:
    """On float32 and float16 the vjp is the derivative as well, as far as rounding lets that be seen."""
    wanted = [k for k, _ in vjps(primitive, call)]
    for dtype in (np.float32, np.float16):
        args = [np.asarray(arg, dtype) for arg in call.args]
        if not np.all(np.isfinite(primitive.forward(*args, **call.params))):
            continue
        report = check(lambda *args: primitive(*args, **call.params), *args, argnums=wanted, names=operand_names(primitive, len(args)))
        if wrong := [element for element in report.failures if element.verdict == "wrong"]:
            where = ", ".join(f"{element.name} = {element.analytic:.6g}, not {element.numerical:.6g}" for element in wrong[:2])
            raise AssertionError(f"on {np.dtype(dtype)} operands it says {where} ({wrong[0].note or 'wrong'})")


def linear(primitive: Primitive, call: Call) -> None:
    """A vjp is linear in the cotangent: vjp(2g - 3h) = 2 vjp(g) - 3 vjp(h), for small g and for large ones, and vjp(0) = 0."""
    args = tuple(np.asarray(arg) for arg in call.args)
    out = np.asarray(primitive.forward(*args, **call.params))
    g = np.asarray(_cotangent(out))
    h = np.sin(7.0 * g)
    for k, vjp in vjps(primitive, call):
        together, apart = vjp(2.0 * g - 3.0 * h, out, *args), 2.0 * vjp(g, out, *args) - 3.0 * vjp(h, out, *args)
        if not close(together, apart, 1e-9):
            found = f"vjp(2g - 3h) is {_text(together)}, 2 vjp(g) - 3 vjp(h) is {_text(apart)}"
            raise AssertionError(f"the vjp of operand {k} is not linear in the cotangent: {found}")
        for factor in (1e9, 1e-9):
            scaled, one = vjp(factor * g, out, *args), vjp(g, out, *args)
            if not close(scaled, factor * one, 1e-9):
                found = f"vjp({factor:g} g) is {_text(scaled)}, vjp(g) is {_text(one)}"
                raise AssertionError(f"the vjp of operand {k} is not linear in the cotangent: {found}")
        if np.any(nothing := np.asarray(vjp(0.0 * g, out, *args))):  # NaN counts as something
            raise AssertionError(f"the vjp of operand {k} is not linear in the cotangent: vjp(0) is {_text(nothing)}")


def second(primitive: Primitive, call: Call) -> None:
    """The vjp, recorded, has the right derivatives itself, with respect to the cotangent and every operand."""
    _vjp_differentiated(primitive, call, "its vjp, differentiated again,")


def third(primitive: Primitive, call: Call) -> None:
    """The derivatives of the vjp, recorded, have the right derivatives themselves."""
    _vjp_differentiated(primitive, call, "its vjp, differentiated twice,", order=2)


def _vjp_differentiated(primitive: Primitive, call: Call, what: str, **options: Any) -> None:
    g = _cotangent(primitive(*call.args, **call.params))
    wanted = [k for k, _ in vjps(primitive, call)]

    def pulled(g: Any, *chosen: Any) -> Any:
        args = list(call.args)
        for k, arg in zip(wanted, chosen, strict=True):
            args[k] = arg
        out = primitive(*args, **call.params)
        total: Any = 0.0
        for k, vjp in vjps(primitive, call):
            contribution = vjp(g, out, *args)
            weights = 1.5 + np.sin(np.arange(1.0, math.prod(np.shape(contribution)) + 1.0) + k)
            total = total + np.sum(contribution * np.reshape(weights, np.shape(contribution)))
        return total

    names = operand_names(primitive, len(call.args))
    chosen = [call.args[k] for k in wanted]
    _agrees_with_numerical(what, pulled, g, *chosen, of_vjp=True, names=["g", *(names[k] for k in wanted)], **options)


def _agrees_with_numerical(what: str, f: Callable[..., Any], *args: Any, of_vjp: bool = False, order: int = 1, **options: Any) -> None:
    """Analytic and numerical derivatives agree.  Many elements are compared along random directions first, and one by one if that fails.

    A derivative that is too noisy to decide is accepted within 1e-9 of the largest one; the derivative of a gradient, in any case.

    Args:
        of_vjp: f is a vjp, which may have kinks that the entry does not know.
    """
    if sum(map(np.size, args)) > 3 and set(check(f, *args, mode="projections", directions=2, order=order, **options).counts) == {"right"}:
        return
    report = check(f, *args, mode="elements", order=order, **options)
    for element in report.elements:
        if element.verdict == "kink" and not of_vjp:
            raise AssertionError(f"there is a kink for operand {element.input} ({element.note}) {DECLARE_THE_KINK}")
    largest = max((abs(element.analytic) for element in report.elements), default=0.0)
    accepted = math.inf if order == 2 else 1e-12 + 1e-9 * largest
    failures = [e for e in report.failures if not _too_noisy(e) and (e.verdict != "imprecise" or abs(e.analytic - e.numerical) > accepted)]
    if failures:
        worst = max(failures, key=badness)
        place = f"operand {worst.input}" + (f", element [{', '.join(map(str, worst.index))}]" if worst.index else "")
        raise AssertionError(f"for {place} {what} says {worst.analytic!r}, the numerical derivative is {_diagnosis(worst)}")


def _too_noisy(element: Element) -> bool:
    """Whether the numerical derivative has so large an error that it says nothing against the analytic one."""
    return element.note.endswith("too noisy here to decide") and abs(element.analytic - element.numerical) <= element.error


def _diagnosis(element: Element) -> str:
    """The numerical derivative, and what kind of mistake its ratio to the analytic one suggests."""
    analytic, numerical = float(element.analytic), float(element.numerical)
    text = f"{numerical!r} ± {float(element.error):.0e}"
    if element.verdict != "wrong":
        hint = "; if it is not defined there, say so: domain=[(low, high)]" if element.verdict == "domain" else ""
        return f"{text}: {element.verdict} ({element.note}){hint}"
    if not analytic:
        return f"{text}: the derivative is missing"
    ratio = analytic / numerical if numerical else math.inf
    if math.isclose(ratio, -1.0, rel_tol=1e-6):
        return f"{text}: the sign is wrong"
    return f"{text}: wrong by a factor {ratio:.10g}" if math.isfinite(ratio) else text


# ── the same results everywhere ───────────────────────────────────────────────


def same_everywhere(primitive: Primitive, call: Call, *, far_out: bool = False) -> None:
    """Recorded or not, on numbers or on arrays, contiguous or strided, writable or not: the same result, and no operand is changed.

    Args:
        far_out: leave out float32, in which numbers may overflow or lose all their digits.
    """
    plain = primitive(*call.args, **call.params)
    out, found = gradients(primitive, call, g := _cotangent(plain))
    if not close(out.data, plain, 0.0):
        raise AssertionError(f"recorded on Values the result is {_text(out.data)}, on plain data {_text(plain)}")
    for layout in _LAYOUTS:
        if not (far_out and layout == "float32"):
            _same_in_layout(layout, primitive, call, g, plain, found)


def _same_in_layout(layout: str, primitive: Primitive, call: Call, g: Any, plain: Any, expected: list[Any]) -> None:
    """In this layout the result is `plain` and the gradients are as expected; neither forward nor a vjp writes into what it is given."""
    prepare = _LAYOUTS[layout]
    args, cotangent, result = [prepare(arg) for arg in call.args], prepare(g), prepare(plain)
    given = (*args, cotangent, result)
    before = [np.array(part) for part in given]
    try:
        again = primitive.forward(*args, **call.params)
        pulled = {k: vjp(cotangent, result, *args) for k, vjp in vjps(primitive, call)}
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise AssertionError(f"it writes into its operands: {error}") from None
    for part, old in zip(given, before, strict=True):
        if not np.array_equal(part, old, equal_nan=True):
            raise AssertionError(f"it writes into what it is given: {_text(old)} became {_text(part)}")
    single = layout == "float32"
    if single and np.asarray(again).dtype != np.float32 and "dtype" not in call.params:
        raise AssertionError(f"on float32 the result is {np.asarray(again).dtype}")
    floor = 1e-37 if single else 0.0  # below, float32 has fewer digits
    if not close(again, plain, 1e-4 if single else 1e-13, floor) and not (single and np.any(np.absolute(plain) > 1e37)):
        raise AssertionError(f"on {layout} operands the result is {_text(again)}, otherwise {_text(plain)}")
    for k, contribution in pulled.items():
        broadcast = np.shape(contribution) != np.shape(expected[k])  # then the chain rule sums it
        if not broadcast and not close(contribution, expected[k], 1e-3 if single else 1e-12, floor):
            raise AssertionError(
                f"on {layout} operands the gradient of operand {k} is {_text(contribution)}, otherwise {_text(expected[k])}"
            )


def _strided(data: Any) -> Any:
    """The same numbers with gaps between them, and backwards in memory."""
    data = np.asarray(data, float)
    if not data.ndim:
        return data
    spaced = np.full((*data.shape[:-1], 2 * data.shape[-1]), np.nan)[..., ::-2]
    spaced[...] = data
    return spaced


def _read_only(data: Any) -> Any:
    data = np.array(data, float)
    data.flags.writeable = False
    return data


_LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "array": lambda data: np.array(data, float),
    "read-only": _read_only,
    "non-contiguous": _strided,
    "Fortran-ordered": lambda data: np.array(data, float, order="F"),
    "float32": lambda data: np.array(data, np.float32),
}


def same_on_floats(primitive: Primitive, call: Call) -> None:
    """An elementwise rule gives on Python floats what it gives on arrays, element by element."""
    if not primitive.elementwise:
        return
    args = np.broadcast_arrays(*call.args)
    wide = primitive.forward(*args, **call.params)
    pulled = [(k, vjp(np.float64(1.0), wide, *args)) for k, vjp in vjps(primitive, call)]
    for i in np.ndindex(args[0].shape):
        numbers = [float(arg[i]) for arg in args]
        result = primitive(*numbers, **call.params)
        if type(result) is not float or not close(result, wide[i], 1e-13):
            raise AssertionError(
                f"on Python floats {operand_names(primitive, len(numbers))} = {numbers} the result is {result!r}, on arrays {wide[i]}"
            )
        _, found = gradients(primitive, Call(tuple(numbers), call.params), 1.0)
        for k, contribution in pulled:
            expected = np.broadcast_to(contribution, args[0].shape)[i]
            if not close(found[k], expected, 1e-12):
                raise AssertionError(f"on Python floats {numbers} the gradient of operand {k} is {found[k]}, on arrays {expected}")


def same_later(other: Call, primitive: Primitive, call: Call) -> None:
    """A call of the primitive in between changes neither a result, nor what the vjps say about an earlier one."""
    args = [np.array(arg, float) for arg in call.args]
    out = primitive.forward(*args, **call.params)
    g = _cotangent(out)
    first = {k: vjp(g, out, *args) for k, vjp in vjps(primitive, call)}
    kept, kept_first = np.array(out), {k: np.array(contribution) for k, contribution in first.items()}
    turned = Call(tuple(np.flip(arg).copy() for arg in args), call.params)  # the same numbers and shapes
    for between in (other, turned):
        result = primitive.forward(*map(np.array, between.args), **between.params)
        for _, vjp in vjps(primitive, between):
            vjp(_cotangent(result), np.array(result), *map(np.array, between.args))
        if not close(out, kept, 0.0):
            raise AssertionError(f"its result, {_text(kept)}, became {_text(out)} when it was called again on other operands")
        for k, vjp in vjps(primitive, call):
            if not close(first[k], kept_first[k], 0.0):
                became = f"{_text(kept_first[k])}, became {_text(first[k])}"
                raise AssertionError(f"the gradient of operand {k}, {became} when it was called again on other operands")
            if not close(later := vjp(g, out, *args), kept_first[k], 0.0):
                raise AssertionError(
                    f"the vjp of operand {k} says {_text(later)} after a call on other operands, {_text(kept_first[k])} before: "
                    "it may depend only on its arguments"
                )


def same_at_zeros(primitive: Primitive, call: Call) -> None:
    """Where -0.0 gives the result of 0.0, it gives the gradients of 0.0."""
    if not any(np.any(np.asarray(arg) == 0) for arg in call.args):
        return
    signed = [np.where(np.asarray(arg) == 0, -0.0, arg) for arg in call.args]
    negative = Call(tuple(signed), call.params)
    plain, other = primitive(*call.args, **call.params), primitive(*signed, **call.params)
    if not close(other, plain, 0.0):
        return
    g = _cotangent(plain)
    (_, expected), (_, found) = gradients(primitive, call, g), gradients(primitive, negative, g)
    for k, (one, two) in enumerate(zip(expected, found, strict=True)):
        if one is not None and two is not None and not close(two, one, 1e-12):
            raise AssertionError(f"at -0.0 the gradient of operand {k} is {_text(two)}, at 0.0 it is {_text(one)}")


# ── NaN, and the readers of the graph ─────────────────────────────────────────


def beside_nan(primitive: Primitive, call: Call) -> None:
    """A NaN that does not reach the result, as in fmax, gets no gradient, and the others' gradients stay right."""
    nans = [k for k, arg in enumerate(call.args) if arg != arg]
    if not nans or not math.isfinite(primitive(*call.args, **call.params)):
        return
    names = operand_names(primitive, len(call.args))
    if others := [k for k, _ in vjps(primitive, call) if k not in nans]:
        _agrees_with_numerical("beside a NaN it", primitive, *call.args, argnums=others, names=names)
    _, found = gradients(primitive, call, 1.0)
    for k in nans:
        if found[k]:
            raise AssertionError(f"operand {names[k]} is NaN and not part of the result, yet its gradient is {found[k]}")


def readable(primitive: Primitive, call: Call) -> None:
    """It can be drawn and explained, whatever its symbol and its parameters are."""
    from ..show.drawing import draw
    from ..show.explanation import explain
    from ..show.formats import to_text

    out = primitive(*labelled_leaves(primitive, call), **call.params)
    for reader in (draw, explain, to_text):
        str(reader(out))
