"""`python -m demos` lists the demos; `python -m demos NAME` runs one."""

from __future__ import annotations

import argparse
import ast
import inspect
import random
import sys
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from ._common import CYCLE, STYLE, Demo

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The names of all demos."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def question(name: str) -> str:
    """The first line of the docstring of a demo, read without importing the demo."""
    return (ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or "").partition("\n")[0]


def listing() -> str:
    """The list of all demos, with the question of each."""
    width = max(map(len, names()), default=0)
    lines = (f"  {name:{width}}  {question(name)}" for name in names())
    return "\n".join(["demos, one question each; run one with `python -m demos NAME` (--help lists its options):", "", *lines])


def main(argv: list[str] | None = None) -> int:
    """Run the command with these arguments; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        print(listing())
        return 0
    name = argv[0].replace("-", "_")
    if name not in names():
        near = get_close_matches(name, names(), 1)
        print(f"no demo {argv[0]!r}; {f'did you mean {near[0]}?' if near else 'python -m demos lists them'}", file=sys.stderr)
        return 2
    try:
        return run(name, argv[1:])
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("matplotlib", "mlxtend", "safetensors", "sklearn", "threadpoolctl"):
            raise
        print(f"the demo {name} needs {error.name}: pip install 'chainrule[demos]'", file=sys.stderr)
        return 1


def run(name: str, argv: list[str]) -> int:
    """Print the question, run the demo with all random generators seeded, and print the answer."""
    import matplotlib
    from threadpoolctl import threadpool_limits

    import nn

    module = import_module(f"demos.{name}")
    doc = inspect.cleandoc(module.__doc__ or "")
    parser = argparse.ArgumentParser(prog=f"python -m demos {name}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if hasattr(module, "add_arguments"):
        module.add_arguments(parser)
    parser.add_argument("--seed", type=int, default=0, help="the seed of all random numbers (default 0)")
    parser.add_argument("--quick", action="store_true", help="a smaller run, for a first look")
    parser.add_argument("--out", type=Path, default=Path("demos-out"), help="the folder for the pictures (default demos-out)")
    demo = parser.parse_args(argv, Demo(name=name))
    random.seed(demo.seed)
    nn.manual_seed(demo.seed)
    print(doc, end="\n\n", flush=True)
    style = STYLE | {"axes.prop_cycle": matplotlib.cycler(color=CYCLE), "savefig.dpi": demo.pick(150, 80)}
    # A second thread does not make the small matrices of a demo faster, and on a busy machine they wait for it.
    with matplotlib.rc_context(style), threadpool_limits(1):
        answer = module.run(demo)
    print(f"\n{answer}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
