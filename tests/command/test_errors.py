"""Every kind of bad input, told in one line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.command.running import process, run
from tests.command.test_expression import ALPHABET, mutations

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
