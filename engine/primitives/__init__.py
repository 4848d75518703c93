"""The rules, one entry each: `TABLE` holds the primitives, `COMPOSITES` the functions made of them."""

from . import activations, arithmetic, contractions, exponentials, indexing, normalisations, reductions, shapes, windows
from .table import COMPOSITES, DISPATCH, PLAIN, TABLE, Case, Kink, Primitive, bind_float_math, primitive

bind_float_math()

__all__ = [
    "COMPOSITES",
    "DISPATCH",
    "PLAIN",
    "TABLE",
    "Case",
    "Kink",
    "Primitive",
    "activations",
    "arithmetic",
    "contractions",
    "exponentials",
    "indexing",
    "normalisations",
    "primitive",
    "reductions",
    "shapes",
    "windows",
]
