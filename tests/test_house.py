"""The house: each file imports only from the floors below it, nobody goes round in a circle or reads another's private names,
the core stands on NumPy alone, no file is too long to read, and the tests have the same rooms."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.node import Node
from tests import ROOT

# From the ground up.  What stands on one floor does not import from its neighbours; inside a package the order is free.
FLOORS = (
    ("engine.primitives", "engine.modes", "engine.trees", "engine.files"),
    ("engine.node",),
    ("engine.arrays", "engine.handmade"),
    ("engine.fast", "engine.operators"),
    ("engine.backprop",),
    ("engine.value",),
    ("engine.calculus",),
    ("engine.show",),
    ("engine.prove",),
    ("engine.strategies", "engine.command"),
    ("engine",),  # `engine/__init__.py`, which gives the parts their public names
    ("engine.__main__", "nn"),
    ("demos",),
)
LONGEST = 450  # lines
ALLOWED = {("demos.mistakes", "_grad")}  # a mistake that the public name refuses
REASON = "In one file because"  # how the docstring of a longer one gives its reason


class Import(NamedTuple):
    """`module` imports `name` from the module `source`, or (name "") the source itself; in a function or not makes no difference."""

    module: str
    line: int
    source: str
    name: str
    alias: str

    def __str__(self) -> str:
        return f"{self.module}, line {self.line}, imports {self.name and f'{self.name} from '}{self.source}"


class House:
    """The source files of a project, by module name."""

    def __init__(self, root: Path):
        self.root = root
        self.modules: dict[str, ast.Module] = {}
        self.texts: dict[str, str] = {}
        for top in ("engine", "nn", "demos"):
            for path in sorted((root / top).rglob("*.py")):
                parts = path.relative_to(root).with_suffix("").parts
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                self.texts[name] = path.read_text(encoding="utf-8")
                self.modules[name] = ast.parse(self.texts[name])
        self.packages = {path.parent.relative_to(root).as_posix().replace("/", ".") for path in root.rglob("__init__.py")}
        self.imports = list(self._imports())

    def _imports(self) -> Iterator[Import]:
        """Every import of one of the project's modules."""
        for module, tree in self.modules.items():
            package = module if module in self.packages else module.rpartition(".")[0]
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    base, named = [], node.names
                elif isinstance(node, ast.ImportFrom):
                    base = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
                    base, named = [*base, *filter(None, [node.module])], node.names
                else:
                    continue
                for alias in named:
                    source, name, known_as = ".".join(base), alias.name, alias.asname or alias.name
                    if (whole := ".".join([*base, name])) in self.modules:
                        source, name = whole, ""
                    if source in self.modules:
                        yield Import(module, node.lineno, source, name, known_as)


# ── the rules of the house; each gives its faults in words ────────────────────


def room(module: str) -> str:
    """A wing, a file at the door of `engine/`, or the whole of nn or demos."""
    return ".".join(module.split(".")[: 2 if module.startswith("engine") else 1])


def upward(house: House) -> Iterator[str]:
    """Imports from another room that stands no lower."""
    floors = {name: number for number, names in enumerate(FLOORS) for name in names}
    yield from (f"{module} stands on no floor; enter it in FLOORS" for module in house.modules if room(module) not in floors)
    for found in house.imports:
        own, other = room(found.module), room(found.source)
        if own != other and floors.get(other, 0) >= floors.get(own, 0) and found.name != "__version__":
            yield f"{found}, which stands no lower"


def circles(house: House) -> Iterator[str]:
    """Files that import each other, also by way of others and also inside functions."""
    needs: dict[str, set[str]] = {module: set() for module in house.modules}
    for found in house.imports:
        if found.source != found.module and found.source not in house.packages:
            needs[found.module].add(found.source)
    while free := {module for module, others in needs.items() if not others & needs.keys()}:
        needs = {module: others for module, others in needs.items() if module not in free}
    while used := set().union(*needs.values()):  # those left over that nobody needs only look on
        if needs.keys() <= used:
            break
        needs = {module: others for module, others in needs.items() if module in used}
    if needs:
        yield f"imports go round in a circle through {', '.join(sorted(needs))}"


def private(house: House) -> Iterator[str]:
    """Underscore names of another module; a node's slots are open to the engine, and to nobody else."""
    for found in house.imports:
        if found.name.startswith("_") and not found.name.endswith("__"):
            yield f"{found}, which is private there"
    slots = {name for name in Node.__slots__ if name.startswith("_")}
    for module, tree in house.modules.items():
        theirs = {found.alias for found in house.imports if found.module == module and not found.name}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__"):
                place = f"{module}, line {node.lineno}, reads"
                if isinstance(node.value, ast.Name) and node.value.id in theirs:
                    yield f"{place} {node.value.id}.{node.attr}, which is private there"
                elif node.attr in slots and room(module) in ("nn", "demos") and (module, node.attr) not in ALLOWED:
                    yield f"{place} the slot {node.attr} of a node; the engine has a public name for what it holds"


def too_long(house: House) -> Iterator[str]:
    """Files that are longer than one reads in a sitting, and give no reason."""
    for module, tree in house.modules.items():
        lines = house.texts[module].count("\n")
        if lines > LONGEST and REASON not in (ast.get_docstring(tree) or ""):
            yield f"{module} has {lines} lines; split it by its ideas, or give the reason in its docstring: '{REASON} …'"


def not_mirrored(house: House) -> Iterator[str]:
    """Wings without tests, and folders of tests without a wing."""
    wings = {module.split(".")[1] for module in house.packages if module.startswith("engine.")} - {"primitives"} | {"core", "nn", "demos"}
    rooms = {path.parent.name for path in (house.root / "tests").glob("*/test_*.py")}
    yield from (f"{name} has no tests in tests/{name}" for name in sorted(wings - rooms))
    yield from (f"tests/{name} mirrors no part of the house" for name in sorted(rooms - wings))


RULES = (upward, circles, private, too_long, not_mirrored)


# ── the tests ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rule", RULES)
def test_the_house_keeps_its_rules(rule: Any) -> None:
    assert not "\n".join(rule(House(ROOT)))


def test_no_test_file_is_too_long_to_read() -> None:
    lengths = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n") for path in (ROOT / "tests").rglob("*.py")}
    assert not {file: lines for file, lines in lengths.items() if lines > LONGEST}


def test_the_core_stands_on_numpy_and_the_standard_library() -> None:
    code = """
import sys, numpy
before = set(sys.modules)
import engine
engine.Value(2.0).tanh().backward()
print(*{name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)
    assert set(done.stdout.split()) <= {"engine", "numpy"}


BROKEN = [
    (upward, "engine/node.py", "from .value import Value", "engine.node, line 1, imports Value from engine.value"),
    (
        upward,
        "engine/show/graph.py",
        "def f():\n    from ..prove import checking",
        "engine.show.graph, line 2, imports engine.prove.checking",
    ),
    (upward, "engine/fast.py", "import engine.operators", "engine.fast, line 1"),
    (upward, "nn/linear.py", "from demos import moons", "nn.linear, line 1"),
    (upward, "engine/value.py", "from . import Value", "engine.value, line 1, imports Value from engine"),
    (upward, "engine/attic.py", "", "engine.attic stands on no floor"),
    (circles, "engine/show/graph.py", "from .drawing import draw", "engine.show.drawing, engine.show.graph"),
    (circles, "engine/show/graph.py", "def f():\n    from . import drawing", "engine.show.drawing, engine.show.graph"),
    (private, "engine/value.py", "from .node import _labels", "engine.value, line 1, imports _labels"),
    (private, "engine/value.py", "from . import node\nnode._labels", "engine.value, line 2, reads node._labels"),
    (private, "engine/value.py", "from . import node as n\nn._labels", "engine.value, line 2, reads n._labels"),
    (private, "nn/linear.py", "def f(x):\n    return x._data", "nn.linear, line 2, reads the slot _data"),
    (too_long, "nn/linear.py", "pass\n" * 451, "nn.linear has 451 lines"),
    (not_mirrored, "engine/emit/__init__.py", "", "emit has no tests"),
    (not_mirrored, "tests/attic/test_attic.py", "", "tests/attic mirrors no part"),
]


@pytest.mark.parametrize(("rule", "file", "text", "fault"), BROKEN)
def test_a_broken_rule_is_noticed(tmp_path: Path, rule: Any, file: str, text: str, fault: str) -> None:
    sound = dict.fromkeys(
        [f"engine/{name}/__init__.py" for name in (".", "primitives", "show", "prove")]
        + ["engine/node.py", "engine/value.py", "engine/fast.py", "engine/operators.py", "engine/show/graph.py", "engine/prove/checking.py"]
        + ["nn/__init__.py", "nn/linear.py", "demos/__init__.py", "demos/moons.py"]
        + [f"tests/{name}/test_{name}.py" for name in ("core", "show", "prove", "nn", "demos")],
        "",
    )
    sound |= {"engine/show/drawing.py": "from .graph import Graph", "nn/linear.py": "from engine import Value\nfrom . import __doc__"}
    for path, content in sound.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    assert not list(rule(House(tmp_path)))
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    (found,) = rule(House(tmp_path))
    assert fault in found


def test_a_long_file_may_give_its_reason(tmp_path: Path) -> None:
    (tmp_path / "nn").mkdir()
    (tmp_path / "nn" / "table.py").write_text(f'"""A table.\n\n{REASON} every entry is one line.\n"""\n' + "pass\n" * 500)
    assert not list(too_long(House(tmp_path)))


def test_no_process_of_a_test_may_run_for_ever() -> None:
    """A hang is a failure with a message, not a build server that waits."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("subprocess.run", "subprocess.check_output"):
                assert any(keyword.arg == "timeout" for keyword in node.keywords), f"{path.name}:{node.lineno}"
