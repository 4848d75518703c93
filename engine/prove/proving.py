"""Proving rules: `assert_rule` for a primitive's, `differentiable` for the gradient of a function of one's own.

    cube = primitive("cube", lambda x: x**3, lambda g, out, x: 3 * g * x**2)
    assert_rule(cube)                        # passes, or says which law is broken, where, and by how much

    @differentiable(x=strategies.arrays((3,)), w=strategies.scalars())
    def test_energy(x, w):                   # a test for pytest: gradients right on a hundred random inputs
        return np.sum(np.tanh(w * x) ** 2)

The laws are in `laws` and `kinks`, the points at which they are tried in `points`.  A proof goes from small
inputs to large ones, so that the first failure is a small one, and it is the same at every run.
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..primitives import Kink, Primitive
from ..value import Value
from . import kinks, laws, points
from .checking import check
from .literals import literal
from .points import Call

__all__ = ["assert_rule", "differentiable"]

Law = Callable[[Primitive, Call], None]

FIRST_ORDER: tuple[Law, ...] = (laws.derivative, laws.linear, laws.same_everywhere, laws.same_on_floats)
FAR_OUT: tuple[Law, ...] = (laws.derivative, laws.linear, partial(laws.same_everywhere, far_out=True), laws.same_on_floats)
FEW = 6  # numbers in the operands of a call that is tried in every dtype
SIMPLE_NUMBERS = (1.0, 2.0, -1.0, -2.0, 0.5, 3.0, -3.0, 5.0, 10.0)  # tried in place of the number that broke a law


# ── a primitive's rule ────────────────────────────────────────────────────────


def assert_rule(primitive: Primitive, *, order: int = 3) -> None:
    """Prove a primitive's rule, or raise AssertionError with what is wrong and the smallest input that shows it.

    What is proved, on numbers from 1e-10 to 800, on arrays of one to 150 elements in one to three dimensions, on
    operands that broadcast, and on the shapes of its `cases`:

    * the vjp of every operand is the numerical derivative, to the error that the numerical one itself has, in
      float64, float32 and float16;
    * it is linear in the cotangent, and 0 for a cotangent of 0;
    * its derivatives are right up to `order`, 3 at most: the vjp is differentiated again, and once more;
    * recorded on Values, on Python floats, on float32, on strided, Fortran-ordered, read-only and empty
      arrays the results and gradients are the same, no operand is written to, and a call in between changes nothing;
    * at the declared kinks there is no derivative, and the vjp is what the entry says ("0", "... from the left",
      "... from the right", "... evenly"); there is no undeclared kink at 0, ±½, ±1, ±2, a tie, or (operands
      taken one by one) anywhere between;
    * it can be drawn and explained.

    Operands are drawn from the entry's domain.  A parameter with a default that no case sets is tried with other
    values, and a variadic primitive with four operands, where the forward function takes them.  The proof is the
    same at every run.

    Raises:
        AssertionError: a law is broken; the message names it, the operand, the input and both derivatives.
        TypeError: the argument is not a primitive.
    """
    if not isinstance(primitive, Primitive):
        raise TypeError(f"assert_rule proves a primitive, and {primitive!r} is not one; test a function with @differentiable")
    rng = np.random.default_rng(zlib.crc32(primitive.name.encode()))
    with np.errstate(all="ignore"):
        ordinary = list(points.ordinary_calls(primitive, rng))
        if not ordinary:
            raise AssertionError(f"no operands of {primitive.name} lie in its domain and clear of its kinks: {primitive.kinks}")
        for number, (call, other) in enumerate(zip(ordinary, [*ordinary[1:], *ordinary[:1]], strict=True)):
            chosen: list[Law] = [*FIRST_ORDER, partial(laws.same_later, other)]
            if sum(map(np.size, call.args)) <= FEW:
                chosen.append(laws.in_small_dtypes)
            if order > 1:
                chosen.append(laws.second)
            if order > 2 and number < 2:  # of the smallest calls
                chosen.append(laws.third)
            for law in chosen:
                _require(law, primitive, call)
        for call in points.scattered_calls(primitive):
            for law in FAR_OUT:
                _require(law, primitive, call)
            if all(1e-3 <= abs(arg) <= 35.0 for arg in call.args):
                _require(laws.in_small_dtypes, primitive, call)
        for call in points.banded_calls(primitive):
            _require(laws.derivative, primitive, call)
        met: dict[Kink, bool] = {}
        for call in points.special_calls(primitive):
            _require(partial(kinks.at_special_point, met), primitive, call)
            _require(laws.same_at_zeros, primitive, call)
        kinks.declared_kinks_were_met(met, primitive)
        kinks.no_undeclared_kink(primitive)
        for call in points.limit_calls(primitive):
            _require(laws.beside_nan if any(np.size(arg) for arg in call.args) else laws.same_everywhere, primitive, call)
        _require(laws.readable, primitive, ordinary[0])


def _require(law: Law, primitive: Primitive, call: Call) -> None:
    """Try a law; if it is broken, or the rule raises, raise AssertionError with the simplest call found that shows it."""
    problem = _problem(law, primitive, call)
    if problem is None:
        return
    for k, arg in enumerate(call.args):
        for simple in SIMPLE_NUMBERS if isinstance(arg, float) else ():
            simpler = Call((*call.args[:k], simple, *call.args[k + 1 :]), call.params)
            allowed = np.all(points.inside(primitive, simpler.args)) and points.clear_of_kinks(primitive, *simpler)
            if abs(simple) <= abs(arg) and allowed:
                other = _problem(law, primitive, simpler)
                if type(other) is type(problem):
                    call, problem = simpler, other
                    break
    if isinstance(problem, AssertionError):
        sentence, cause = str(problem), None
    else:
        sentence, cause = f"{type(problem).__name__}: {problem}", problem
    raise AssertionError(f"the rule of {primitive.name} is wrong: {sentence}\n\n{_call_and_graph(primitive, call)}") from cause


def _problem(law: Law, primitive: Primitive, call: Call) -> Exception | None:
    """What a law, or the rule itself, raises at a call; None if it raises nothing."""
    try:
        law(primitive, call)
    except Exception as error:
        return error
    return None


def _call_and_graph(primitive: Primitive, call: Call) -> str:
    """The call as code, and its graph as text."""
    from ..show.formats import to_text

    arguments = [literal(arg) for arg in call.args] + [f"{key}={literal(param)}" for key, param in call.params.items()]
    text = f"smallest input:  {primitive.name}({', '.join(arguments)})"
    try:
        out = primitive(*laws.labelled_leaves(primitive, call), **call.params)
        out.backward(np.ones(out.shape))
        return f"{text}\n\n{to_text(out)}"
    except Exception:  # the rule is too broken to draw; the sentence before this text says how
        return text


# ── functions of one's own ────────────────────────────────────────────────────


def differentiable(*, order: int = 1, examples: int = 100, **inputs: Any) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Decorator: a function becomes a property test that its gradients are right.

        @differentiable(x=strategies.arrays((3,)), w=strategies.scalars())
        def test_energy(x, w):
            return np.sum(np.tanh(w * x) ** 2)

    pytest runs it, or call it: test_energy().  Each example goes through `engine.check`; a failing one
    shrinks to a small input, and the message shows the wrong elements and the graph.

    Args:
        order: 2 checks the derivatives of the gradient as well.
        examples: how many inputs to draw.
        inputs: a hypothesis strategy for each parameter of the function: see `engine.strategies`.

    Raises:
        ImportError: hypothesis is not installed.
        TypeError: a parameter of the function has no strategy.
    """
    try:
        import hypothesis
    except ImportError as error:
        raise ImportError("differentiable draws its inputs with hypothesis; install it with: pip install 'chainrule[prove]'") from error

    def decorate(f: Callable[..., Any]) -> Callable[..., None]:
        parameters = list(inspect.signature(f).parameters)
        if missing := [name for name in parameters if name not in inputs]:
            raise TypeError(f"differentiable: {f.__name__} needs a strategy for {', '.join(missing)}")

        def test(**drawn: Any) -> None:
            args = [drawn[name] for name in parameters]
            report = check(f, *args, order=order, names=parameters)
            if not report:
                raise AssertionError(f"the gradient of {f.__name__} is wrong\n\n{report}\n\n{_inputs_and_graph(f, parameters, args)}")

        test.__name__ = f.__name__.replace("<lambda>", "_lambda_")  # hypothesis would look for the source of the former
        test.__module__, test.__doc__ = f.__module__, f.__doc__
        settings = hypothesis.settings(max_examples=examples, deadline=None, derandomize=True)
        return settings(hypothesis.given(**inputs)(test))  # type: ignore[no-any-return]

    return decorate


def _inputs_and_graph(f: Callable[..., Any], names: Iterable[str], args: Sequence[Any]) -> str:
    """The inputs as code, and the graph of the function at them as text."""
    from ..show.formats import to_text

    plain = [arg._data if isinstance(arg, Value) else arg for arg in args]
    lines = [f"{name} = {literal(arg)}" for name, arg in zip(names, plain, strict=True)]
    out = f(*(Value(arg, label=name) if isinstance(arg, (float, np.ndarray)) else arg for name, arg in zip(names, plain, strict=True)))
    return "\n".join(lines) + (f"\n\n{to_text(out)}" if isinstance(out, Value) else "")
