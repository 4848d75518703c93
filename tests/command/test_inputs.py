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
