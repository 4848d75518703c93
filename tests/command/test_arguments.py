"""The words of a command line: what each asks for, in any order."""

from __future__ import annotations

import json

import pytest

import engine
from engine.command.main import main
from engine.primitives import COMPOSITES, TABLE
from tests.command.running import run

pytestmark = pytest.mark.usefixtures("folder")


def test_words_in_any_order() -> None:
    assert json.loads(run("--json", "x=3", "-x**2", "--wrt", "x").out)["nodes"][0]["grad"] == -6.0
    assert run("x=3", "-x", "-o", "b.svg").status == 0
    assert run("-x", "-ob.svg", "x=3", "--wrt", "x,y", "y=2", "--sum").status == 2
    assert run("-x*y", "-ob.svg", "x=3", "--wrt", "x,y", "y=2", "--sum").status == 0


def test_a_variable_may_be_named_as_an_option_or_in_greek() -> None:
    assert json.loads(run("-o**2 + σ", "o=3", "σ=1", "--json").out)["nodes"][0]["grad"] == -6.0


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for word, says in [("--help", "examples:"), ("--version", f"chainrule {engine.__version__}")]:
        with pytest.raises(SystemExit) as caught:
            main([word])
        assert caught.value.code == 0
        assert says in capsys.readouterr().out


def test_the_help_tells_every_option_and_every_function(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert out.startswith("usage: chainrule [options] EXPRESSION NAME=VALUE ...\n\nCompute an expression, and its gradient")
    told = " ".join(out.split())
    for option in (
        "WORD the expression, in quotes, and a value for each variable: x=2,",
        "--wrt NAMES differentiate with respect to",
        "--sum differentiate the sum",
        "--explain tell each backward step",
        "--check compare every gradient",
        "--json print the graph as JSON",
        "--output FILE the picture, or the data: .svg, .png, .pdf, .dot, .json (default chainrule.svg)",
        "--force replace a file",
    ):
        assert option in told
    before, names = out.split("(abs, asin, pow, ...):\n")
    assert '\n  chainrule "sum(relu(x) * [1, 2, 3])" x=[-1,0.5,2] --explain\n' in before
    assert all(line.startswith("    ") and line[4] != " " and 40 < len(line) <= 78 for line in names.splitlines()[:-1])
    assert names.split()[-1] == "windows"
    assert set(names.replace(",", "").split()) == {*TABLE, *COMPOSITES}


def test_an_option_is_written_out() -> None:
    assert "unrecognized arguments: --js" in run("x*x", "x=2", "--js").err


def test_names_that_look_the_same_are_the_same() -> None:
    answer = run("ﬁ * x", "fi=3", " x =2", "--wrt", "ﬁ, x", "--json")
    grads = {node["name"]: node["grad"] for node in json.loads(answer.out)["nodes"]}
    assert (grads["fi"], grads["x"]) == (2.0, 3.0)


def test_of_many_expressions_the_first_four_are_told() -> None:
    assert run("a", "b", "c", "d", "x==5").err == "chainrule: one expression in quotes is expected, not 5: 'a' 'b' 'c' 'd'\n"
