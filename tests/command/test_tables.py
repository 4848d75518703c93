"""Both passes as tables in the terminal."""

from __future__ import annotations

import json

import pytest

from tests.command.running import JOB, column, run

pytestmark = pytest.mark.usefixtures("folder")


def test_the_tables_hold_every_edge() -> None:
    answer = run(*JOB)
    backward = answer.out.split("Backward pass")[1].split("Gradients")[0]
    rows = [line.split() for line in backward.splitlines()[3:] if line.strip()]
    edges = [row[-3:] for row in rows]
    assert ["x1", "-3", "-1.5"] in edges
    assert ["w2", "0", "0"] in edges
    assert len(edges) == 9


def test_nan_and_inf_are_shown() -> None:
    answer = run("sqrt(x) + log(y)", "x=0", "y=-1")
    assert answer.status == 0
    assert "log(y) is the first value that is not finite" in answer.out
    assert column(answer.out, "Gradients")["∂out/∂x"] == "inf"
    assert json.loads(run("log(x)", "x=-1", "--json").out)["nodes"][1]["value"] == "nan"
