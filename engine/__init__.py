"""chainrule's engine: reverse-mode automatic differentiation that can be read, watched and proved.

    from engine import Value, draw, explain

    x, w, b = Value(2.0, label="x"), Value(-3.0, label="w"), Value(7.0, label="b")
    out = (x * w + b).tanh()
    out.backward()
    w.grad                     # ∂out/∂w
    explain(out)               # the chain rule, step by step, in words and numbers
    draw(out)                  # the graph, as a picture

NumPy's functions work on Values (`np.exp(v)`, `np.einsum(...)`), and by the same names here
(`engine.exp`).  `grad`, `jacobian`, `hessian` and their kin differentiate plain functions.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .backprop import AnomalyError, MutationError
from .calculus import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .modes import detect_anomaly, enable_grad, no_grad
from .primitives import COMPOSITES, TABLE, primitive
from .value import Parameter, Value, stop_gradient

if TYPE_CHECKING:
    from .checking import GradcheckError, check, gradcheck
    from .drawing import draw, draw_dot, make_dot
    from .explanation import explain
    from .formats import to_json, to_mermaid, to_text
    from .graph import Graph, trace
    from .proving import assert_rule as assert_rule
    from .proving import differentiable as differentiable

__version__ = "0.1.0"

# Loaded on use, so that `import engine` costs little more than NumPy.
_LAZY = {
    "draw": "drawing",
    "draw_dot": "drawing",
    "make_dot": "drawing",
    "explain": "explanation",
    "check": "checking",
    "gradcheck": "checking",
    "GradcheckError": "checking",
    "assert_rule": "proving",
    "differentiable": "proving",
    "Graph": "graph",
    "to_json": "formats",
    "to_mermaid": "formats",
    "to_text": "formats",
    "trace": "graph",
}

__all__ = [
    "AnomalyError",
    "GradcheckError",
    "Graph",
    "MutationError",
    "Parameter",
    "Value",
    "check",
    "detect_anomaly",
    "draw",
    "draw_dot",
    "enable_grad",
    "explain",
    "grad",
    "gradcheck",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "make_dot",
    "no_grad",
    "primitive",
    "stop_gradient",
    "to_json",
    "to_mermaid",
    "to_text",
    "trace",
    "value_and_grad",
    "vjp",
]


def __getattr__(name: str) -> Any:
    """The lazy readers, and every function of the rule table by its name."""
    if name in _LAZY:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    if name in COMPOSITES:
        return COMPOSITES[name]
    if name in TABLE:
        return TABLE[name]
    raise AttributeError(f"module 'engine' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *COMPOSITES, *TABLE})
