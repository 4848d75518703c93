"""How a derivative is named in a report."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from engine import check
from engine.prove.results import Block, Element


def element(output="", index=()):
    return Element("x", index, output, 1.0, 2.0, 0.5, "wrong", "")


@pytest.mark.parametrize(
    ("output", "index", "name"),
    [
        ("", (), "∂f/∂x"),
        ("", (0, 1), "∂f/∂x[0, 1]"),
        ("[2]", (0,), "∂f[2]/∂x[0]"),
        ("['a'][2]", (), "∂f['a'][2]/∂x"),
        ("u1", (3,), "∂(u1·f)/∂x[3]"),
        ("∂f/∂x[1]", (0,), "∂²f/∂x[1]/∂x[0]"),
        ("⟨u, Jv⟩", (), "⟨u, Jv⟩ by x"),
    ],
)
def test_the_name_of_a_derivative(output, index, name):
    assert element(output, index).name == name


def test_a_derivative_in_a_report_stays_as_it_is():
    with pytest.raises(dataclasses.FrozenInstanceError):
        element().verdict = "right"
    assert not hasattr(element(), "__dict__")  # there may be a million of them


def test_the_chosen_derivatives_come_place_by_place():
    block = Block("x", ["[0]", "[1]"], [(0,), (1,), (2,)])
    block.analytic[:] = np.arange(6.0).reshape(2, 3)
    block.numerical[:], block.error[:], block.verdict[:] = -block.analytic, 0.5, 2
    block.notes[1, 0] = "a note"
    found = list(block.elements(np.array([[True, True, False], [True, False, False]])))
    assert [(e.output, e.index, e.analytic, e.numerical) for e in found] == [
        ("[0]", (0,), 0.0, 0.0),
        ("[1]", (0,), 3.0, -3.0),
        ("[0]", (1,), 1.0, -1.0),
    ]
    assert [e.note for e in found] == ["", "a note", ""]
    assert {(e.input, e.error, e.verdict) for e in found} == {("x", 0.5, "wrong")}


def test_a_report_has_a_row_for_each_output_and_input():
    names = [e.name for e in check(lambda x: {"a": x * 2.0}, np.array([1.0, 2.0])).elements]
    assert names == [f"∂f['a'][{j}]/∂x[{i}]" for i in range(2) for j in range(2)]
