"""The command `chainrule`, used as people use it: as a process, with files, and with every kind of bad input."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import engine
from engine.command.inputs import read_file
from engine.command.main import main
from engine.primitives import TABLE
from tests import ROOT
from tests.command.test_expression import ALPHABET, mutations

JOB = ["tanh(x1*w1 + x2*w2 + b)", "x1=2", "x2=0", "w1=-3", "w2=1", "b=6.8813735870195432"]


class Answer(NamedTuple):
    status: int
    out: str
    err: str


def run(*words: str) -> Answer:
    """The command in this process."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        status = main(words)
    return Answer(status, out.getvalue(), err.getvalue())


def process(*words: str, **environment: str) -> Answer:
    """The command as a process, its output in a pipe."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    settings = os.environ | {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"} | environment
    done = subprocess.run([sys.executable, "-m", "engine", *words], capture_output=True, encoding="utf-8", env=settings, timeout=60)
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def column(text: str, title: str) -> dict[str, str]:
    """The two-column table under a title, as {first: second}."""
    rows = text.split(f"\n{title}")[1].split("\n\n")[0].strip().splitlines()
    return {row.split("   ")[0].strip(): row.split("   ", 1)[1].strip() for row in rows if "   " in row.strip()}


# ── the main job ──────────────────────────────────────────────────────────────


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


def test_the_tables_hold_every_edge() -> None:
    answer = run(*JOB)
    backward = answer.out.split("Backward pass")[1].split("Gradients")[0]
    rows = [line.split() for line in backward.splitlines()[3:] if line.strip()]
    edges = [row[-3:] for row in rows]
    assert ["x1", "-3", "-1.5"] in edges
    assert ["w2", "0", "0"] in edges
    assert len(edges) == 9


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


def test_words_in_any_order() -> None:
    assert json.loads(run("--json", "x=3", "-x**2", "--wrt", "x").out)["nodes"][0]["grad"] == -6.0
    assert run("x=3", "-x", "-o", "b.svg").status == 0
    assert run("-x", "-ob.svg", "x=3", "--wrt", "x,y", "y=2", "--sum").status == 2
    assert run("-x*y", "-ob.svg", "x=3", "--wrt", "x,y", "y=2", "--sum").status == 0


def test_a_variable_may_be_named_as_an_option_or_in_greek() -> None:
    assert json.loads(run("-o**2 + σ", "o=3", "σ=1", "--json").out)["nodes"][0]["grad"] == -6.0


def test_a_wrong_rule_is_found() -> None:
    engine.primitive("wrongly", lambda x: np.sin(x), lambda g, out, x: g * np.cos(x) * 1.001, elementwise=True)
    try:
        answer = run("wrongly(x)", "x=0.5", "--check")
    finally:
        del TABLE["wrongly"]
    assert answer.status == 1
    assert "wrong" in answer.out


def test_nan_and_inf_are_shown() -> None:
    answer = run("sqrt(x) + log(y)", "x=0", "y=-1")
    assert answer.status == 0
    assert "log(y) is the first value that is not finite" in answer.out
    assert column(answer.out, "Gradients")["∂out/∂x"] == "inf"
    assert json.loads(run("log(x)", "x=-1", "--json").out)["nodes"][1]["value"] == "nan"


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


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for word, says in [("--help", "examples:"), ("--version", f"chainrule {engine.__version__}")]:
        with pytest.raises(SystemExit) as caught:
            main([word])
        assert caught.value.code == 0
        assert says in capsys.readouterr().out


def test_a_closed_pipe_is_no_error() -> None:
    words = [sys.executable, "-m", "engine", *JOB, "--explain"]
    settings = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=settings) as started:
        assert started.stdout
        assert started.stderr
        started.stdout.close()
        assert started.stderr.read() == b""
    assert started.returncode == 0


# ── files ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf", "dot", "json"])
def test_a_file_is_replaced_only_if_the_command_wrote_it(folder: Path, suffix: str) -> None:
    magic = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"// made by", "json": b"{"}[suffix]
    path = folder / f"graph.{suffix}"
    path.write_bytes(b"precious")
    refused = run("x*x", "x=2", "-o", path.name)
    assert refused.status == 2
    assert refused.out == ""
    assert "--force" in refused.err
    assert path.read_bytes() == b"precious"
    assert run("x*x", "x=2", "-o", path.name, "--force").status == 0
    first = path.read_bytes()
    assert first.startswith(magic)
    assert run("x*x + 1", "x=2", "-o", path.name).status == 0
    assert path.read_bytes() != first
    if suffix == "json":
        assert json.loads(path.read_text())["nodes"]
    assert [p.name for p in folder.iterdir()] == [path.name]


def test_the_default_picture_is_protected_as_well(folder: Path) -> None:
    (folder / "chainrule.svg").write_text("<svg/>")
    assert run("x*x", "x=2").status == 2
    assert (folder / "chainrule.svg").read_text() == "<svg/>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("a,b\n1,2\n3,4", [[1, 2], [3, 4]]),
        ("\ufeffa,b\r\n\r\n1e3, -.5\r\n", [[1000, -0.5]]),
        ("y\n1\n2\n\n", [1, 2]),
        ("1,nan", [[1, np.nan]]),
    ],
)
def test_tables_of_numbers(folder: Path, text: str, expected: list[float]) -> None:
    (folder / "t.csv").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_file(folder / "t.csv"), expected)


@given(table=st.lists(st.lists(st.floats(allow_nan=False), min_size=2, max_size=2), min_size=1, max_size=4), header=st.booleans())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_table_comes_back(folder: Path, table: list[list[float]], header: bool) -> None:
    (folder / "t.csv").write_text("p,q\n" * header + "\n".join(",".join(map(repr, row)) for row in table))
    np.testing.assert_array_equal(read_file(folder / "t.csv"), table)


class Hostile:
    """Unpickled, it would leave a trace."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("trace"),))


def test_pickles_are_refused(folder: Path) -> None:
    np.save("o.npy", np.array([Hostile()], dtype=object), allow_pickle=True)
    (folder / "p.npy").write_bytes(pickle.dumps(Hostile()))
    for name in ("o.npy", "p.npy"):
        assert run("sum(x)", f"x=@{name}").status == 2
    assert "pickled Python objects" in run("sum(x)", "x=@o.npy").err
    assert not (folder / "trace").exists()


def test_npy_files() -> None:
    np.save("x.npy", np.arange(6).reshape(2, 3))
    assert json.loads(run("sum(x**2)", "x=@x.npy", "--json").out)["nodes"][0]["grad"] == [[0, 2, 4], [6, 8, 10]]


# ── bad input ─────────────────────────────────────────────────────────────────

BAD = [
    ([], "no expression"),
    (["x=2"], "no expression"),
    ([""], "column 1: nothing to compute"),
    (["x", "y", "x=2"], "one expression in quotes"),
    (["x*x", "x=2", "x=3"], "'x' is given twice"),
    (["x*x"], "column 1: no value for 'x'"),
    (["x + tahn(x)", "x=2"], "column 5: unknown function 'tahn'; did you mean 'tanh'?"),
    (["x.real", "x=2"], "column 3: attributes"),
    (["x + ", "x=2"], "column 4: the expression ends too early"),
    (["x == 2", "x=2"], "column 1: comparisons"),
    (["2 + 3"], "no variables"),
    (["2 + 3", "x=1"], "depends on no variable"),
    (["x * 2", "x=[1,2]"], "add --sum"),
    (["x*x", "x=two"], "x: column 1: a value is made of numbers"),
    (["x*x", "x="], "x: column 1"),
    (["x*x", "x=[1,2"], "x: column 1: '[' was never closed"),
    (["x*x", "x=[[1,2],[3]]"], "one length"),
    (["x*x", "x=1j"], "complex"),
    (["x*x", "x='2'"], "a string"),
    (["x*x", "x=__import__('os')"], "unknown function"),
    (["x*x", "x=@missing.csv"], "cannot read 'missing.csv': No such file"),
    (["x*x", "x=@."], "cannot read"),
    (["sum(x)", "x=@ragged.csv"], "ragged.csv, line 3: 1 columns, and 2 before"),
    (["sum(x)", "x=@words.csv"], "words.csv, line 2, column 2: 'x' is not a number"),
    (["sum(x)", "x=@header.csv"], "holds no numbers"),
    (["sum(x)", "x=@binary.csv"], "not text in UTF-8"),
    (["sum(x)", "x=@binary.npy"], "not a .npy file"),
    (["sum(x)", "x=@complex.npy"], "holds complex128"),
    (["x*x", "x=2", "--wrt", "y"], "no such variable; it has x"),
    (["x*x", "x=2", "--wrt", ""], "no such variable"),
    (["x*x", "x=2", "--frob"], "unrecognized arguments: --frob"),
    (["x*x", "x=2", "-o"], "expected one argument"),
    (["x*x", "x=2", "-o", "a.gif"], "ends in one of .svg"),
    (["x*x", "x=@~nobody-of-that-name/x.csv"], "x: "),
    (["x*x", "x=@" + "x" * 5000], "File name too long"),
    (["sum(x)", "x=@underscore.csv"], "underscore.csv"),
    (["sum(x)", "x=@damaged.npy"], "damaged.npy is damaged"),
    (["x*x", "x=2", "-o", "a" * 300 + ".svg"], "File name too long"),
    (["x*x", "x=2", "-o", "no/a.svg"], "there is no folder 'no'"),
    (["x*x", "x=2", "-o", "folder.svg"], "not a file"),
    (["(" * 100_000, "x=2"], "too many nested parentheses"),
    (["x" + "+x" * 50_000, "x=2"], "too deeply nested"),
]


@pytest.fixture
def bad_files(folder: Path) -> set[str]:
    (folder / "ragged.csv").write_text("a,b\n1,2\n3\n")
    (folder / "words.csv").write_text("1,2\n3,x\n")
    (folder / "header.csv").write_text("a,b\n")
    (folder / "binary.csv").write_bytes(b"\xff\xfe\x00")
    (folder / "binary.npy").write_bytes(b"\xff\xfe\x00")
    (folder / "underscore.csv").write_text("1_000\n")
    np.save("complex.npy", np.array([1j]))
    np.save("damaged.npy", np.arange(9))
    (folder / "damaged.npy").write_bytes((folder / "damaged.npy").read_bytes()[:-5])
    (folder / "folder.svg").mkdir()
    return set(os.listdir())


@pytest.mark.parametrize(("words", "says"), BAD)
def test_bad_input_is_told_in_one_line(bad_files: set[str], words: list[str], says: str) -> None:
    answer = run(*words)
    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.startswith("chainrule: ")
    assert answer.err.count("\n") == 1
    assert says in answer.err
    assert set(os.listdir()) == bad_files


def test_bad_input_to_the_process(folder: Path) -> None:
    done = process("x + tahn(x)", "x=2")
    assert done == (2, "", "chainrule: column 5: unknown function 'tahn'; did you mean 'tanh'?\n")
    assert list(folder.iterdir()) == []


@given(
    words=st.lists(
        st.one_of(
            mutations(), st.lists(ALPHABET, max_size=6).map("".join), st.sampled_from(["x=1", "v=[1,2]", "--sum", "--wrt", "-o", "M=@."])
        ),
        max_size=5,
    )
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_words_lead_to_a_traceback(folder: Path, words: list[str]) -> None:
    answer = run("--json", "x=1.5", "y=-2", "v=[1,2,3]", "M=[[1,2,3],[4,5,6]]", "σ=2", *[w for w in words if not w.startswith("--help")])
    assert answer.status in (0, 2)
    assert (answer.status == 0) == bool(answer.out)
    if answer.status == 2:
        assert answer.err.splitlines()[-1].startswith("chainrule: ")
    assert list(folder.iterdir()) == []
