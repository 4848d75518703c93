"""The README's commands, snippets and tables, held to the code."""

from __future__ import annotations

import re
import shlex

import pytest

from engine.command.main import main
from engine.primitives import TABLE
from tests import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def kink_rows() -> list[str]:
    """The README's table of kinks, from the rule table: one row for each kink, with the primitives that have it."""
    found: dict[tuple[str, str], list[str]] = {}
    for primitive in TABLE.values():
        for kink in primitive.kinks:
            found.setdefault((kink.where, kink.value), []).append(f"`{primitive.name}`")
    return [f"| {', '.join(names)} | {where} | {value} |" for (where, value), names in found.items()]


def test_the_table_of_kinks_is_the_rule_table():
    part = README.split("## Kinks")[1].split("\n## ")[0]
    assert [line for line in part.splitlines() if line.startswith("| `")] == kink_rows()


@pytest.mark.parametrize("line", re.findall(r"```console\n(?:.*&& )?(chainrule .*)\n```", README))
def test_a_command_runs_as_it_stands(line, tmp_path, monkeypatch, capsys):
    (tmp_path / "demos").symlink_to(ROOT / "demos")
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line)[1:]) == 0
    shown = capsys.readouterr().out
    assert "Gradients" in shown
    assert list(tmp_path.glob("*.svg"))


def test_the_tour_runs_as_it_stands():
    names: dict[str, object] = {}
    tour = README.split("## A tour in two minutes")[1].split("\n## ")[0]
    for snippet in re.findall(r"```python\n(.*?)```", tour, re.S):
        exec(snippet, names)
    assert names["w"].grad.shape == (3,)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_a_link_leads_somewhere(path):
    assert (ROOT / path).exists()
