"""The values of variables: from the command line, and from tables in files."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from engine.command.inputs import read_file
from tests.command.running import run

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("a,b\n1,2\n3,4", [[1, 2], [3, 4]]),
        ("\ufeff5,6\n7,8", [[5, 6], [7, 8]]),
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


def test_a_fault_in_a_table_is_told_by_line_and_column(folder: Path) -> None:
    for text, says in [
        ("a,b\n\n1,2\n3,4,5\n", "t.csv, line 4: 3 columns, and 2 before"),
        ("a,b\n1,2\n#3,4\n", "t.csv, line 3, column 1: '#3' is not a number"),
        ("a,2\n3,4\n", "t.csv, line 1, column 1: 'a' is not a number"),
        ("5\n1 2\n", "t.csv, line 2, column 1: '1 2' is not a number"),
    ]:
        (folder / "t.csv").write_text(text)
        answer = run("sum(x)", "x=@t.csv")
        assert answer.err.startswith(f"chainrule: x: {says}")


def test_only_real_numbers_are_taken_from_npy_files() -> None:
    for data in (np.array([True, False]), np.array([1, 2], np.uint8), np.array([1, 2]), np.array([1, 2], np.float32)):
        np.save("x.npy", data)
        np.testing.assert_array_equal(read_file(Path("x.npy")), data)
        assert run("sum(x)", "x=@x.npy", "--json").status == 0
    np.save("x.npy", np.array(["one"]))
    assert "x.npy holds <U3, not real numbers" in run("sum(x)", "x=@x.npy").err


def test_a_value_may_be_written_with_constants_and_operators() -> None:
    nodes = json.loads(run("x + sum(v)", "x=2*pi", "v=[e, -1/4, 2**-1]", "--json").out)["nodes"]
    assert nodes[0]["value"] == 2 * np.pi
    assert nodes[1]["value"] == [np.e, -0.25, 0.5]
    assert "x: column 5: a value is made of numbers and lists" in run("x", "x=2 + y + z").err
