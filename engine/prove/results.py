"""Results of a comparison: for each derivative the analytic and the numerical value, the error and the verdict.

A `Block` holds them as arrays, because a check may compare a million derivatives; an `Element` is one of
them, as a reader of the report meets it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .subjects import subscript

__all__ = ["VERDICTS", "Block", "Element"]

Array = np.ndarray[Any, Any]

VERDICTS = ("right", "kink", "wrong", "domain", "imprecise", "nondeterministic", "disconnected")
RIGHT, KINK, WRONG, DOMAIN, IMPRECISE, NONDETERMINISTIC, DISCONNECTED, OPEN = range(8)  # OPEN: no verdict yet


@dataclass(frozen=True, slots=True)
class Element:
    """One derivative, ∂output/∂input[index], and the verdict on it."""

    input: str  # the name of the input: "x", "params['w']"
    index: tuple[int, ...]  # the place in the input; () for a scalar, and for a random direction
    output: str  # "" for a scalar result, "[2]" for an element, "u1" for a random cotangent
    analytic: float
    numerical: float
    error: float  # the largest difference between the two that is explained by rounding and the estimated numerical error
    verdict: str  # one of VERDICTS
    note: str  # what else is known, in words

    @property
    def name(self) -> str:
        """The derivative in mathematical notation: ∂f[2]/∂x[0, 1]."""
        if self.output.startswith("⟨"):
            return f"{self.output} by {self.input}"
        by = f"∂{self.input}{subscript(self.index)}"
        if self.output.startswith("∂f/"):  # a first derivative is differentiated again
            return f"∂²{self.output[1:]}/{by}"
        if self.output[:1] in ("", "["):
            return f"∂f{self.output}/{by}"
        return f"∂({self.output}·f)/{by}"


class Block:
    """The derivatives of all outputs by the places of one input: arrays of shape (outputs, places).

    A place is an element of the input, or a random direction in it.
    """

    def __init__(self, input: str, outputs: Sequence[str], places: Sequence[tuple[int, ...]]):
        self.input, self.outputs, self.places = input, outputs, places
        shape = (len(outputs), len(places))
        self.analytic, self.numerical, self.error = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
        self.verdict = np.full(shape, OPEN, np.uint8)
        self.notes: dict[tuple[int, int], str] = {}  # by (output, place)

    def elements(self, chosen: Array) -> Iterator[Element]:
        """The derivatives that a boolean array of shape (outputs, places) chooses, place by place."""
        for i, j in np.argwhere(chosen.T).tolist():
            yield Element(
                self.input,
                self.places[i],
                self.outputs[j],
                float(self.analytic[j, i]),
                float(self.numerical[j, i]),
                float(self.error[j, i]),
                VERDICTS[self.verdict[j, i]],
                self.notes.get((j, i), ""),
            )
