"""The words of a command line: what each asks for, in any order."""

from __future__ import annotations

import json

import pytest

import engine
from engine.command.main import main
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
