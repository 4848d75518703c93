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


WHOLE = """\
out = sum(X @ w * [1, 2]) + 3*log(y)

Forward pass
node   operation   value
───────────────────────────────────────────
X      input       [[1.0, 2.0], [3.0, 4.0]]
w      input       [1.0, -0.5]
y      input       0
v3     X @ w       [0.0, 1.0]
v4     constant    [1.0, 2.0]
v5     v3 * v4     [0.0, 2.0]
v6     sum(v5)     2
v7     log(y)      -inf
v9     3 * v7      -inf
out    v6 + v9     -inf
v7 = log(y) is the first value that is not finite.

Backward pass
node   gradient     passes to   local derivative   contribution
───────────────────────────────────────────────────────────────
out    1            v6          1                  1
                    v9          1                  1
v9     1            v7          3                  3
v7     3            y           inf                inf
v6     1            v5          1 × 2 matrix       [1.0, 1.0]
v5     [1.0, 1.0]   v3          [1.0, 2.0]         [1.0, 2.0]
v3     [1.0, 2.0]   w           2 × 2 matrix       [7.0, 10.0]

Gradients
∂out/∂w   [7.0, 10.0]
∂out/∂y   inf

picture: chainrule.svg
"""
EXAMPLE = ["sum(X @ w * [1, 2]) + 3*log(y)", "X=[[1,2],[3,4]]", "w=[1,-0.5]", "y=0", "--wrt", "w,y"]


def stripped(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def test_the_tables_line_by_line() -> None:
    assert stripped(run(*EXAMPLE).out) == WHOLE


def test_a_variable_alone_has_no_backward_pass_and_keeps_its_name() -> None:
    answer = stripped(run(" x", "x=nan").out)
    assert answer == (
        "x\n\nForward pass\nnode   operation   value\n────────────────────────\nx      input       nan\n"
        "x is the first value that is not finite.\n\nGradients\n∂x/∂x   1\n\npicture: chainrule.svg\n"
    )


def test_a_terminal_shows_names_and_results_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = run(*EXAMPLE).out
    for styled in (
        "\x1b[1mout = sum(X @ w * [1, 2]) + 3*log(y)\x1b[0m\n",
        "\x1b[1mForward pass ",
        "\x1b[2mnode\x1b[0m",
        "\x1b[1;36mw   \x1b[0m   input       [1.0, -0.5] ",
        "\x1b[1;32mout \x1b[0m   v6 + v9     -inf ",
        "\nv5     [1.0, 1.0]   v3 ",
        "\x1b[31mv7 = log(y) is the first value that is not finite.\x1b[0m\n",
        "∂out/∂y   \x1b[1minf        \x1b[0m",
    ):
        assert styled in out


def test_of_a_large_array_its_shape_and_range_and_in_a_narrow_window_every_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    out = run("sum(x**2)", f"x={list(range(50))}").out
    backward, gradients = out.split("Backward pass")[1].split("Gradients")
    assert "v2     all 1.0    x           0.0 … 98.0         0.0 … 98.0" in backward
    assert "∂out/∂x   (50,) 0.0 … 98.0, mean 49.0\n" in gradients
    monkeypatch.setenv("COLUMNS", "30")
    narrow = run("sum(a_long_name_for_a_number * 1.23456789)", "a_long_name_for_a_number=2").out
    assert "…" not in narrow
    assert max(map(len, narrow.splitlines())) <= 30 + 14  # the title is folded as well; the note on the picture is not


def test_the_sixty_newest_values_are_shown() -> None:
    for terms, hidden in ((60, 0), (61, 1), (71, 11)):
        out = run("+".join(["x"] * terms), "x=1", "--sum").out
        told = f"{hidden} older values are not shown; --json lists all."
        assert (told in out) == bool(hidden)
        assert "older" in out or not hidden
        forward = out.split("Forward pass")[1].split("Backward pass")[0]
        assert len([line for line in forward.splitlines()[3:] if line.startswith(("x", "v", "out"))]) == 60
