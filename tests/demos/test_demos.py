"""Every demo, run as a user runs it: it prints a question, saves pictures, and ends with a measured answer."""

import itertools
import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, strategies as st

from demos.__main__ import main, names, question
from demos._common import digits, spread
from tests import ROOT


def command(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "demos", *arguments], capture_output=True, text=True, cwd=ROOT, timeout=120, **options)


def test_the_list_has_a_line_for_each():
    listed = command()
    assert listed.returncode == 0
    for name in names():
        assert re.search(rf"^  {name} +{re.escape(question(name))}$", listed.stdout, re.MULTILINE)
        assert question(name).endswith("?")
        assert len(question(name)) <= 100
    assert command("--help").stdout == listed.stdout


@pytest.mark.parametrize("name", [name for name in names() if name != "playground"])
def test_asks_shows_and_answers(name, tmp_path, capsys):
    from matplotlib.image import imread

    assert main([name, "--quick", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(question(name))
    answer = printed.strip().rpartition("\n\n")[2]
    assert "wrote" not in answer
    assert re.search(r"\d", answer), "the answer tells no measured number"
    pictures = sorted(tmp_path.iterdir())
    assert {path.suffix for path in pictures} == {".png", ".svg"}
    assert {path.stem for path in pictures if path.suffix == ".png"} == {path.stem for path in pictures if path.suffix == ".svg"}
    for path in pictures:
        if path.suffix == ".png":
            pixels = imread(path)
            assert min(pixels.shape[:2]) > 200
            colours = (pixels * 255).astype(int) @ 256 ** np.arange(pixels.shape[-1])
            assert len(np.unique(colours)) > 20  # drawn, not blank
        else:
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        assert path.name in printed


def test_in_a_process_of_its_own_the_same_seed_gives_the_same_pictures(tmp_path):
    runs = [command("three_layers", "--quick", "--seed", "3", "--out", str(tmp_path / folder)) for folder in "ab"]
    assert [run.returncode for run in runs] == [0, 0]
    assert str(tmp_path / "a" / "three_layers.png") in runs[0].stdout
    one, other = ((tmp_path / folder / "three_layers.svg").read_bytes() for folder in "ab")
    assert one == other


def test_help_tells_the_options_and_runs_nothing(tmp_path):
    told = command("optimisers", "--help")
    assert told.returncode == 0
    assert question("optimisers") in told.stdout
    assert all(option in told.stdout for option in ("--seed", "--quick", "--out"))
    assert "wrote" not in told.stdout


def test_what_it_does_not_know_is_said_in_a_line():
    mistyped = command("optimizers")
    assert (mistyped.returncode, mistyped.stdout) == (2, "")
    assert mistyped.stderr == "no demo 'optimizers'; did you mean optimisers?\n"
    assert command("qqq").stderr == "no demo 'qqq'; python -m demos lists them\n"
    assert command("optimisers", "--speed", "3").returncode == 2


def test_without_matplotlib_it_says_what_to_install(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError(\"No module named 'matplotlib'\", name='matplotlib')")
    done = command("optimisers", "--out", str(tmp_path), env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr == "the demo optimisers needs matplotlib: pip install 'chainrule[demos]'\n"


@given(st.lists(st.floats(-100, 100), max_size=12).map(sorted), st.floats(0.1, 30))
def test_labels_are_moved_apart_and_no_further_than_needed(heights, gap):
    moved = spread(heights, gap)
    assert len(moved) == len(heights)
    assert all(b - a >= gap - 1e-6 for a, b in itertools.pairwise(moved))
    assert sum(moved) == pytest.approx(sum(heights), abs=1e-6)
    if all(b - a >= gap for a, b in itertools.pairwise(heights)):
        assert moved == pytest.approx(heights)


def test_the_digits_are_split_by_seed_and_standardised_by_the_training_set():
    x, y, x_test, y_test = digits(seed=1)
    assert x.shape == (1437, 64)
    assert x_test.shape == (360, 64)
    assert set(y) == set(y_test) == set(range(10))
    assert x.mean() == pytest.approx(0, abs=1e-12)
    assert x.std() == pytest.approx(1)
    assert not np.array_equal(digits(seed=2)[1], y)
    np.testing.assert_array_equal(digits(seed=1)[0], x)
