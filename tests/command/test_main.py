"""The command `chainrule`, used as people use it: its main job, its options together, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import engine
from engine.command.main import main
from engine.primitives import TABLE
from tests import ROOT
from tests.command.running import JOB, column, process, run, surroundings

pytestmark = pytest.mark.usefixtures("folder")


def test_the_readme_line_as_a_process(folder: Path) -> None:
    done = process(*JOB, COLUMNS="80")
    assert done.status == 0
    assert done.err == ""
    assert column(done.out, "Gradients") == {"∂out/∂x1": "-1.5", "∂out/∂x2": "0.5", "∂out/∂w1": "1", "∂out/∂w2": "0", "∂out/∂b": "0.5"}
    assert "0.707107" in done.out
    assert "x1 * w1" in done.out
    assert "\x1b" not in done.out
    assert "…" not in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert "picture: chainrule.svg" in done.out
    assert [p.name for p in folder.iterdir()] == ["chainrule.svg"]
    drawn = " ".join(ElementTree.parse(folder / "chainrule.svg").getroot().itertext())
    assert "0.7071" in drawn
    assert "-1.5" in drawn


def test_least_squares_on_the_real_table() -> None:
    x, y = (f"{ROOT}/demos/data/diabetes-{letter}.csv" for letter in "xy")
    answer = run("mean((X @ w + b - y)**2)", f"X=@{x}", f"y=@{y}", f"w={[0] * 10}", "b=0", "--wrt", "w,b", "--json")
    graph = json.loads(answer.out)
    grads = {node["name"]: node["grad"] for node in graph["nodes"]}
    table, target = np.loadtxt(x, delimiter=",", skiprows=1), np.loadtxt(y, skiprows=1)
    assert table.shape == (442, 10)
    np.testing.assert_allclose(grads["w"], -2 * table.T @ target / 442, rtol=1e-9)
    assert grads["b"] == pytest.approx(-2 * target.mean())
    assert grads["X"] is grads["y"] is None


def test_the_options_together(folder: Path) -> None:
    answer = run("X @ w", "X=[[1,2],[3,4]]", "w=[pi/2, -1e-3]", "--sum", "--wrt", "w", "--explain", "--check", "-o", "a.png")
    assert answer.status == 0
    assert column(answer.out, "Gradients") == {"∂out/∂w": "[4.0, 6.0]"}
    assert "it passes [4.0, 6.0] back to w" in answer.out
    assert "2 right" in answer.out
    assert (folder / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_a_wrong_rule_is_found() -> None:
    engine.primitive("wrongly", lambda x: np.sin(x), lambda g, out, x: g * np.cos(x) * 1.001, elementwise=True)
    try:
        answer = run("wrongly(x)", "x=0.5", "--check")
    finally:
        del TABLE["wrongly"]
    assert answer.status == 1
    assert "wrong" in answer.out


def test_a_note_on_a_variable_that_is_not_used() -> None:
    answer = run("x*x", "x=3", "z=1", "--json")
    assert answer.status == 0
    assert answer.err == "chainrule: note: 'z' is not in the expression\n"


def test_a_graph_too_large_for_a_picture_still_has_its_tables(folder: Path) -> None:
    text = " + ".join(["x"] * 600)
    answer = run(text, "x=1")
    assert answer.status == 0
    assert column(answer.out, "Gradients") == {"∂out/∂x": "600"}
    assert "older values are not shown" in answer.out
    assert "no picture" in answer.err
    assert list(folder.iterdir()) == []
    assert run(text, "x=1", "-o", "a.svg").status == 2
    assert run(text, "x=1", "-o", "a.json").status == 0


def test_a_closed_pipe_is_no_error() -> None:
    words = [sys.executable, "-m", "engine", *JOB, "--explain"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings()) as started:
        assert started.stdout
        assert started.stderr
        started.stdout.close()
        assert started.stderr.read() == b""
    assert started.returncode == 0


def test_with_json_standard_output_has_nothing_else(folder: Path) -> None:
    answer = run("x*y + z", "x=2", "y=3", "z=1", "q=0", "--wrt", "x,z", "--check", "--json", "-o", "a.JSON")
    assert json.loads(answer.out) == {key: value for key, value in json.loads((folder / "a.JSON").read_text()).items() if key != "comment"}
    lines = answer.err.splitlines()
    assert lines[0] == "chainrule: note: 'q' is not in the expression"
    assert lines[1].startswith("passed: numerical check: 2 right")
    assert [line.split()[0] for line in lines if "right" in line][1:] == ["∂f/∂x", "∂f/∂z"]
    assert lines[-2:] == ["", "data: a.JSON"]
    assert run("x*x", "x=2", "-o", "b.json").out.endswith("\ndata: b.json\n")


def test_a_variable_may_be_named_out() -> None:
    assert column(run("out * x", "out=2", "x=3").out, "Gradients") == {"∂result/∂out": "3", "∂result/∂x": "2"}


def test_a_long_explanation_has_a_hundred_steps() -> None:
    out = run("+".join(["x"] * 103), "x=1", "--explain").out
    assert "\n100. v" in out
    assert "\n101. v" not in out
    assert "\n\npicture" in run("x*x", "x=2", "--explain").out


def test_what_a_rule_raises_is_told() -> None:
    def fail(error: BaseException) -> Callable[..., Any]:
        def raises(*_: Any) -> Any:
            raise error

        return raises

    answers = []
    try:
        for error in (ValueError("too\nnarrow"), MemoryError()):
            engine.primitive("failing", lambda x: x * 1.0, fail(error), elementwise=True)
            answers.append(run("failing(x)", "x=1"))
            del TABLE["failing"]
        engine.primitive("failing", fail(KeyboardInterrupt()), lambda g, out, x: g, elementwise=True)
        assert run("failing(x)", "x=1") == (130, "", "")
    finally:
        del TABLE["failing"]
    assert answers == [(2, "", "chainrule: no gradient: too narrow\n"), (2, "", "chainrule: no gradient: out of memory\n")]


def test_a_terminal_without_greek_gets_question_marks() -> None:
    done = process("x*x", "x=3", PYTHONIOENCODING="ascii")
    assert done.status == 0
    assert "?out/?x | 6\n" in done.out
    assert process("σ", "x=3", PYTHONIOENCODING="ascii") == (2, "", "chainrule: column 1: no value for '?'; given: x; add ?=2\n")


def test_to_import_the_module_runs_nothing() -> None:
    from engine import __main__ as module

    assert module.main is main


def test_python_m_engine_ends_with_the_commands_status() -> None:
    done = process("tanh(x")
    assert done.status == 2
    assert "never closed" in done.err


UNDER_WAY = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as nohup and many build servers start a program
from engine.command import main, output
from engine import files

def stuck(file):
    print("writing", flush=True)
    signal.pause()

files.os.fsync = stuck
sys.exit(main.main())
"""


def test_a_program_started_with_ctrl_c_ignored_ends_on_sigterm_and_leaves_no_file(folder: Path) -> None:
    words = [sys.executable, "-c", UNDER_WAY, *JOB, "-o", "a.json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=surroundings(), text=True) as started:
        assert started.stdout
        assert any(line == "writing\n" for line in started.stdout)
        assert len(list(folder.iterdir())) == 1  # half written
        started.terminate()
        assert started.wait(60) == 143
    assert list(folder.iterdir()) == []
