"""chainrule's engine: reverse-mode automatic differentiation that can be read, watched and proved.

    from engine import Value, draw, explain

    x, w, b = Value(2.0, label="x"), Value(-3.0, label="w"), Value(7.0, label="b")
    out = (x * w + b).tanh()
    out.backward()
    w.grad                     # ∂out/∂w
    explain(out)               # the chain rule, step by step, in words and numbers
    draw(out)                  # the graph, as a picture

To read the engine, begin with `primitives/table.py` and `primitives/arithmetic.py` (what a rule is), then
`node.py` (what a node remembers), `backprop.py` (the chain rule) and `value.py` (how a node is recorded).

NumPy's functions work on Values (`np.exp(v)`, `np.einsum(...)`), and by the same names here
(`engine.exp`).  `grad`, `jacobian`, `hessian` and the like differentiate plain functions.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any as _Any

from .backprop import AnomalyError as AnomalyError, MutationError as MutationError
from .calculus import (
    grad as grad,
    hessian as hessian,
    hvp as hvp,
    jacobian as jacobian,
    jvp as jvp,
    value_and_grad as value_and_grad,
    vjp as vjp,
)
from .modes import detect_anomaly as detect_anomaly, enable_grad as enable_grad, no_grad as no_grad
from .primitives import COMPOSITES as COMPOSITES, TABLE as TABLE, primitive as primitive
from .value import Parameter as Parameter, Value as Value, stop_gradient as stop_gradient

if TYPE_CHECKING:
    from .prove.checking import GradcheckError as GradcheckError, check as check, gradcheck as gradcheck
    from .prove.proving import assert_rule as assert_rule, differentiable as differentiable
    from .show.drawing import draw as draw, draw_dot as draw_dot, make_dot as make_dot
    from .show.explanation import explain as explain
    from .show.formats import to_json as to_json, to_mermaid as to_mermaid, to_text as to_text
    from .show.graph import Graph as Graph, trace as trace

__version__ = "0.1.0"

# The readers are loaded on use, so that `import engine` costs little more than NumPy.
_READERS = {
    "prove.checking": ("GradcheckError", "check", "gradcheck"),
    "prove.proving": ("assert_rule", "differentiable"),
    "show.drawing": ("draw", "draw_dot", "make_dot"),
    "show.explanation": ("explain",),
    "show.formats": ("to_json", "to_mermaid", "to_text"),
    "show.graph": ("Graph", "trace"),
}
_HOME = {name: module for module, names in _READERS.items() for name in names}

# What `from engine import *` brings; the functions of the rule table come by name only.
_EAGER = {name for name, thing in globals().items() if getattr(thing, "__module__", "").startswith("engine")}
__all__ = sorted(_EAGER | _HOME.keys())


def __getattr__(name: str) -> _Any:
    """The readers, and every function of the rule table by its name."""
    if name in _HOME:
        return getattr(_import_module(f".{_HOME[name]}", __name__), name)
    if name in COMPOSITES:
        return COMPOSITES[name]
    if name in TABLE:
        if TABLE[name].built_in:  # it stays what it is, and need not be looked for again
            globals()[name] = TABLE[name]
        return TABLE[name]
    raise AttributeError(f"module 'engine' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *COMPOSITES, *TABLE})
