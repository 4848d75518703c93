"""The mutation tool, on a project made up for it: what a test notices is caught, what no test notices survives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.changes import Source
from tests.equivalents import Equivalent
from tests.mutants import sample, stale

TOY = '''
"""Counts down."""

def clamp(x: float, low: float) -> float:
    if x < low:
        return low
    return x

def steps(n: int) -> int:
    count = 0
    while n > 0:
        n -= 1
        count += 1
    return count
'''

CHECKS = """
import subprocess
import sys

from engine import toy

def test_clamp():
    assert toy.clamp(3.0, 1.0) == 3.0 and toy.clamp(-3.0, 1.0) == 1.0

def test_steps():
    assert toy.steps(3) == 3

def test_as_a_program():
    program = "from engine import toy; print(toy.clamp(-1.0, 0.0))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert said.stdout == "0.0\\n"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {"engine/__init__.py": "", "engine/toy.py": TOY, "tests/core/test_toy.py": CHECKS}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def command(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "tests.mutants", "engine/toy.py", "--root", str(project), "--limit", "1", *options]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_no_test_notices_survives_and_the_sources_stay_as_they_were(project: Path) -> None:
    before = snapshot(project)
    done = command(project, "--all")
    survived = {line for line in done.stdout.splitlines() if line.startswith("SURVIVED")}
    assert survived == {"SURVIVED engine/toy.py:5 clamp: if x < low: → if x <= low:"}, done.stdout + done.stderr
    assert done.returncode == 1  # 15 of 16 is below the goal
    assert snapshot(project) == before


def test_an_endless_loop_is_ended(project: Path) -> None:
    (project / "tests/core/test_toy.py").write_text("from engine import toy\n\ndef test_steps():\n    assert toy.steps(3) == 3\n")
    (project / "engine/toy.py").write_text("def steps(n):\n    while n > 0:\n        n -= 1\n    return 3\n")
    done = command(project, "--all")
    assert "SURVIVED engine/toy.py:2 steps: while n > 0: → while n >= 0:" in done.stdout
    assert "while True" not in done.stdout  # caught: only the limit can have done that
    assert "n -= 1 → pass" not in done.stdout


def test_a_program_that_a_test_starts_is_the_changed_one_too(project: Path) -> None:
    checks = CHECKS[: CHECKS.index("def test_clamp")] + CHECKS[CHECKS.index("def test_as_a_program") :]
    (project / "tests/core/test_toy.py").write_text(checks)
    done = command(project, "--all")
    assert "if x < low: → if x >= low:" not in done.stdout  # -1.0 would be printed
    assert "while n > 0: → while n >= 0:" in done.stdout  # no test counts any more


def test_a_test_that_fails_anyway_gives_no_score(project: Path) -> None:
    (project / "tests/core/test_toy.py").write_text("def test_wrong():\n    assert False\n")
    done = command(project)
    assert done.returncode == 1
    assert "fail without a mutant" in done.stderr
    assert "caught" not in done.stdout


def test_tests_that_break_on_the_way_give_no_score(project: Path) -> None:
    """Runs that fail because the project was changed or removed meanwhile would count as caught."""
    count = "from pathlib import Path\n\ndef test_count():\n    with Path('count').open('a') as file:\n        file.write('.')\n"
    (project / "tests/core/test_toy.py").write_text(count + "    assert len(Path('count').read_text()) < 4\n")
    done = command(project, "--per-file", "5")
    assert done.returncode == 1
    assert "fail without a mutant" in done.stderr
    assert "caught" not in done.stdout


def test_text_and_annotations_and_messages_have_no_mutants(tmp_path: Path) -> None:
    text = '"""Doc 1."""\n\ndef f(x: "Literal[1]") -> "Literal[2]":\n    """Doc 2."""\n    raise ValueError("3" + str(4))\n'
    (tmp_path / "text.py").write_text(text)
    assert [str(mutant) for mutant in Source(tmp_path, "text.py").mutants] == ["text.py:5 f: raise ValueError('3' + str(4)) → pass"]


def test_a_sample_does_not_depend_on_where_the_code_stands(project: Path) -> None:
    (project / "engine/toy2.py").write_text("import math\n\n\nunused = None\n" + TOY)
    (project / "engine/toy2.py").replace(project / "engine/moved.py")
    chosen = sample(Source(project, "engine/toy.py").mutants, 5)
    (project / "engine/moved.py").replace(project / "engine/toy.py")
    moved = sample(Source(project, "engine/toy.py").mutants, 5)
    assert [m[1:2] + m[3:5] for m in chosen] == [m[1:2] + m[3:5] for m in moved]
    assert [m.line for m in chosen] != [m.line for m in moved]


def test_an_entry_that_fits_no_mutant_is_stale(project: Path) -> None:
    source = Source(project, "engine/toy.py")
    right = Equivalent("engine/toy.py", "clamp", "if x < low:", "if x <= low:", "at x = low both return low")
    gone = right._replace(function="clip")
    elsewhere = right._replace(file="engine/other.py")  # its file isn't looked at
    assert stale([source], [right, gone, elsewhere]) == [gone]
    assert stale([source], [right._replace(mutated="*")]) == []
