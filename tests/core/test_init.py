"""The names of the package: what can be imported, what a star brings, and what the import costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import engine
from engine.primitives import COMPOSITES, TABLE

PUBLIC = {
    "AnomalyError", "GradcheckError", "Graph", "MutationError", "Parameter", "Value", "assert_rule", "check", "detect_anomaly",
    "differentiable", "draw", "draw_dot", "enable_grad", "explain", "grad", "gradcheck", "hessian", "hvp", "jacobian", "jvp",
    "make_dot", "no_grad", "primitive", "stop_gradient", "to_json", "to_mermaid", "to_text", "trace", "value_and_grad", "vjp",
}  # fmt: skip


def test_a_star_brings_the_names_of_the_project_and_nothing_else() -> None:
    brought: dict[str, object] = {}
    exec("from engine import *", brought)
    assert brought.keys() - {"__builtins__"} == PUBLIC
    assert all(brought[name] is getattr(engine, name) for name in PUBLIC)


def test_every_function_of_the_table_is_here_by_its_name() -> None:
    """Where the package has a thing of its own by that name, that goes first."""
    for name, function in (TABLE | COMPOSITES).items():
        if name not in PUBLIC:
            assert getattr(engine, name) is function


def test_dir_lists_what_can_be_had() -> None:
    names = dir(engine)
    assert {*PUBLIC, *TABLE, *COMPOSITES} <= set(names)
    assert names == sorted(set(names))
    assert all(hasattr(engine, name) for name in names)


def test_a_reader_is_the_same_as_in_its_module() -> None:
    from engine.show.explanation import explain
    from engine.show.graph import trace

    assert engine.explain is explain
    assert engine.trace is trace


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'nonsense'"):
        _ = engine.nonsense


def test_the_import_is_light() -> None:
    """NumPy and the standard library: readers, rich and Graphviz load on use."""
    late = ("rich", "graphviz", "pygraphviz", "matplotlib", "hypothesis", "nn")
    code = f"import sys, numpy, engine; print([m for m in {late} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout.strip() == "[]"
