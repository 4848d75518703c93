"""The command `chainrule`: an expression and numbers in, the forward and the backward pass out.

chainrule "tanh(x*w + b)" x=2 w=-3 b=6.5
"""

from __future__ import annotations

import argparse
import os
import struct
import sys
import textwrap
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import SubprocessError
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .. import __version__
from ..primitives import COMPOSITES, TABLE
from ..value import Value
from .expression import CONSTANTS, Expression, ExpressionError, parse

if TYPE_CHECKING:
    from rich.console import Console

    from ..show.graph import Graph

MARK = f"made by chainrule {__version__}"
SIGNATURE = b"made by chainrule"  # what every file that the command writes holds, so that it may be replaced
SUFFIXES = (".svg", ".png", ".pdf", ".dot", ".json")
ROWS = 60  # of a table

EXAMPLES = """\
examples:
  chainrule "tanh(x1*w1 + x2*w2 + b)" x1=2 x2=0 w1=-3 w2=1 b=6.8813735870195432
  chainrule "sum(relu(x) * [1, 2, 3])" x=[-1,0.5,2] --explain
  chainrule "mean((X @ w + b - y)**2)" X=@features.csv y=@target.csv w=[0,0,0] b=0 --wrt w,b
  chainrule "-x**2 + sin(pi*x)" x=0.3 --check -o parabola.png

an expression is made of
  numbers and variables   the constants pi, e, inf, nan; lists [[1, 2], [3, 4]]
  operators               + - * / ** @, and indexing with constants: x[0], X[:, 1]
  functions               by the engine's names, or NumPy's (abs, asin, pow, ...):
"""


class CommandError(Exception):
    """What the user is told in one line."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message}; see chainrule --help")


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    names = textwrap.fill(", ".join(sorted(TABLE.keys() | COMPOSITES.keys())), 78, initial_indent="    ", subsequent_indent="    ")
    parser = _Parser(
        prog="chainrule",
        usage="chainrule [options] EXPRESSION NAME=VALUE ...",
        description="Compute an expression, and its gradient by backpropagation: every step in a table, and the graph as a picture.",
        epilog=EXAMPLES + names,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    values = "x=2, x=[[1,2],[3,4]], x=pi/4, x=@data.csv (commas; with or without a header line), x=@data.npy"
    parser.add_argument("words", nargs="*", metavar="WORD", help=f"the expression, in quotes, and a value for each variable: {values}")
    parser.add_argument("--wrt", metavar="NAMES", help="differentiate with respect to these variables only: --wrt w,b")
    parser.add_argument("--sum", action="store_true", help="differentiate the sum of a result that is an array")
    parser.add_argument("--explain", action="store_true", help="tell each backward step in words and numbers")
    parser.add_argument("--check", action="store_true", help="compare every gradient with a numerical one; exit status 1 unless all agree")
    parser.add_argument("--json", action="store_true", help="print the graph as JSON instead of tables and words; no picture without -o")
    parser.add_argument("-o", "--output", metavar="FILE", help=f"the picture, or the data: {', '.join(SUFFIXES)} (default chainrule.svg)")
    parser.add_argument("--force", action="store_true", help="replace a file that chainrule did not write")
    parser.add_argument("--version", action="version", version=f"chainrule {__version__}")

    known = {option for action in parser._actions for option in action.option_strings}

    def shield(word: str) -> str:  # an expression may begin with a minus sign; a NUL is in no argument
        option = word.split("=")[0] in known or (word.startswith("-o") and word.endswith(SUFFIXES))
        return "\0" + word if word.startswith("-") and not word.startswith("--") and not option else word

    arguments = parser.parse_intermixed_args([shield(word) for word in argv])
    arguments.words = [word.removeprefix("\0") for word in arguments.words]
    return arguments


def _sort_words(words: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The expression, and the text of each variable's value."""
    texts: dict[str, str] = {}
    expressions = []
    for word in words:
        name, equals, text = word.partition("=")
        name = unicodedata.normalize("NFKC", name.strip())
        if not equals or not name.isidentifier() or text.startswith("="):
            expressions.append(word)
            continue
        if name in texts:
            raise CommandError(f"{name!r} is given twice")
        texts[name] = text
    if not expressions:
        raise CommandError('no expression; write chainrule "x**2" x=3, or chainrule --help')
    if len(expressions) > 1:
        raise CommandError(f"one expression in quotes is expected, not {len(expressions)}: {' '.join(map(repr, expressions[:4]))}")
    return expressions[0], texts


# ── values ────────────────────────────────────────────────────────────────────


def read_value(name: str, text: str) -> Any:
    """A variable's value: a number or a list, both also as constant expressions, or @ and a file."""
    try:
        if text.startswith("@"):
            return read_file(Path(text[1:]).expanduser())
        expression = parse(text)
        if expression.names.keys() - CONSTANTS.keys():
            column = min(expression.names[key] for key in expression.names.keys() - CONSTANTS.keys())
            raise ExpressionError(column, "a value is made of numbers and lists; for a file write @ before its name")
        return expression.evaluate({})
    except (CommandError, ExpressionError, RuntimeError) as error:  # RuntimeError: ~nobody has no home
        raise CommandError(f"{name}: {error}") from error


def read_file(path: Path) -> Any:
    """A table of numbers: from .npy, or from text with commas; a single column gives a vector."""
    try:
        if path.suffix.lower() == ".npy":
            return _read_npy(path)
        return _read_csv(path, path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CommandError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not text in UTF-8; a table of numbers is .csv or .npy") from error


def _read_npy(path: Path) -> Any:
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise CommandError(f"{path} is not a .npy file; np.save writes one")
        file.seek(0)
        try:
            data = np.load(file, allow_pickle=False)
        except Exception as error:  # NumPy says many things about a damaged file
            if "Object arrays" in str(error):
                raise CommandError(f"{path} holds pickled Python objects, which could run code when loaded; save numbers only") from error
            raise CommandError(f"{path} is damaged: {error}") from error
    if data.dtype.kind not in "fbiu":
        raise CommandError(f"{path} holds {data.dtype}, not real numbers")
    return data


def _read_csv(path: Path, text: str) -> Any:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if lines and not any(map(_is_number, lines[0][1].split(","))):
        del lines[0]  # the header
    if not lines:
        raise CommandError(f"{path} holds no numbers")
    width = lines[0][1].count(",") + 1
    try:
        table = np.loadtxt([line for _, line in lines], delimiter=",", ndmin=2, comments=None)
    except ValueError as error:
        for number, line in lines:
            cells = line.split(",")
            if len(cells) != width:
                raise CommandError(
                    f"{path}, line {number}: {len(cells)} columns, and {width} before; a table has as many in each"
                ) from None
            for column, cell in enumerate(cells, 1):
                if not _is_number(cell):
                    raise CommandError(f"{path}, line {number}, column {column}: {cell.strip()!r} is not a number") from None
        raise CommandError(f"{path}: {error}") from error
    return table[:, 0] if width == 1 else table


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


# ── files ─────────────────────────────────────────────────────────────────────


def _target(arguments: argparse.Namespace) -> Path | None:
    """The file to write, checked before anything is computed."""
    if arguments.json and not arguments.output:
        return None
    path = Path(arguments.output or "chainrule.svg")
    if path.suffix.lower() not in SUFFIXES:
        raise CommandError(f"-o {path}: the name ends in one of {', '.join(SUFFIXES)}")
    try:
        if not path.parent.is_dir():
            raise CommandError(f"-o {path}: there is no folder {str(path.parent)!r}")
        if path.exists() and not path.is_file():
            raise CommandError(f"-o {path}: not a file")
        if path.exists() and not arguments.force and SIGNATURE not in path.read_bytes():
            raise CommandError(f"{path} exists, and chainrule did not write it; choose another name with -o, or replace it with --force")
    except OSError as error:
        raise CommandError(f"-o {path}: {error.strerror}") from error
    return path


def _sign(data: bytes, suffix: str) -> bytes:
    """A picture with the mark of the command in it, each format's own way."""
    mark = MARK.encode()
    match suffix:
        case ".svg":
            return data.rstrip() + b"\n<!-- " + mark + b" -->\n"
        case ".dot":
            return b"// " + mark + b"\n" + data
        case ".pdf":
            return data.rstrip() + b"\n% " + mark + b"\n%%EOF\n"
        case ".png":
            chunk = b"tEXtSoftware\0" + mark
            return data[:-12] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[-12:]
    return data


def write(result: Value, path: Path) -> None:
    """The graph as a picture or as data, by the file's ending."""
    from ..files import write_atomically
    from ..show.drawing import draw
    from ..show.formats import to_json

    suffix = path.suffix.lower()
    if suffix == ".json":
        text = to_json(result)
        data = ('{"comment": "' + MARK + '",' + text[text.index("{") + 1 :]).encode()
    elif suffix == ".dot":
        data = _sign(draw(result).source.encode(), suffix)
    else:
        data = _sign(draw(result).pipe(format=suffix[1:]), suffix)
    write_atomically(path, data)


# ── tables ────────────────────────────────────────────────────────────────────


def show(console: Console, title: str, graph: Graph) -> None:
    """The forward pass, the backward pass, and the gradients of what was given."""
    from rich.text import Text

    from ..show.explanation import derivative, figure, numbers, operation
    from ..show.formats import summary

    def brief(data: Any) -> Text:
        return Text(summary(data).partition(", mean")[0] if np.ndim(data) else figure(data))

    nodes = [node for node in graph.nodes if node.labelled or node.op or np.ndim(node.data)]
    hidden = len(nodes) - ROWS
    console.print(Text(title, style="bold"))
    console.print()

    forward = _table("Forward pass", "node", "operation", "value")
    for node in nodes[-ROWS:]:
        forward.add_row(_name(node), Text(operation(graph, node)), Text(figure(node.data)))
    console.print(forward)
    for node in nodes:
        if not np.all(np.isfinite(node.data)):
            made = f"{node.name} = {operation(graph, node)}" if node.op else node.name
            console.print(Text(f"{made} is the first value that is not finite.", style="red"))
            break
    console.print()

    backward = _table("Backward pass", "node", "gradient", "passes to", "local derivative", "contribution")
    for node in reversed(nodes[-ROWS:]):
        lead = [_name(node), brief(node.grad)]
        for argnum, edge in enumerate(node.edges):
            if edge.contribution is not None:
                source = graph.nodes[edge.source]
                _, local = derivative(graph, node, argnum)
                told = Text(f"{np.size(node.data)} × {np.size(source.data)} matrix") if local is None else brief(local)
                backward.add_row(*lead, Text(source.name), told, brief(edge.contribution))
                lead = [Text(""), Text("")]
    if backward.row_count:
        console.print(backward)
        console.print()
    if hidden > 0:
        console.print(Text(f"{hidden} older values are not shown; --json lists all.\n"))

    root = graph.nodes[graph.outputs[0]].name
    gradients = _table("Gradients", "", "")
    for node in graph.nodes:
        if not node.op and node.grad is not None:
            gradients.add_row(Text(f"∂{root}/∂{node.name}"), Text(numbers(node.grad), style="bold"))
    console.print(gradients)
    console.print()


def _name(node: Any) -> Any:
    from rich.text import Text

    return Text(node.name, style={"output": "bold green", "input": "bold cyan"}.get(node.role, ""))


def _table(title: str, *columns: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim"
    )
    table.show_header = any(columns)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


# ── the command ───────────────────────────────────────────────────────────────


def _differentiable(arguments: argparse.Namespace, given: Mapping[str, Any], expression: Expression) -> set[str]:
    """The variables to differentiate."""
    if arguments.wrt is None:
        return set(given)
    wanted = {unicodedata.normalize("NFKC", name.strip()) for name in arguments.wrt.split(",")}
    for name in sorted(wanted - expression.names.keys()):
        raise CommandError(f"--wrt {name}: the expression has no such variable; it has {', '.join(expression.names) or 'none'}")
    return wanted


def run(argv: Sequence[str]) -> int:
    """Do what the arguments say; the exit status."""
    arguments = _arguments(argv)
    text, texts = _sort_words(arguments.words)
    target = _target(arguments)
    expression = parse(text)
    values = {name: read_value(name, texts[name]) for name in texts}
    wanted = _differentiable(arguments, values, expression)
    leaves = {}
    for name, data in values.items():
        try:
            leaves[name] = Value(data, label=name, requires_grad=name in wanted)
        except TypeError as error:
            raise CommandError(f"{name}: {error}") from error

    result = _scalar(expression.evaluate(leaves), arguments)
    if not isinstance(result, Value) or not result.requires_grad:
        raise CommandError(
            "nothing to differentiate: the expression has no variables" if not leaves else "the result depends on no variable"
        )
    if not result.is_leaf:
        result.label = "out" if "out" not in leaves else "result"
    try:
        with np.errstate(all="ignore"):
            result.backward()
    except (TypeError, ValueError, MemoryError) as error:
        raise CommandError(f"no gradient: {error or 'out of memory'}") from error

    for name in values:
        if name not in expression.names:
            print(f"chainrule: note: {name!r} is not in the expression", file=sys.stderr)
    if arguments.json:
        from ..show.formats import to_json

        print(to_json(result))
    else:
        from rich.console import Console

        from ..show.graph import Graph

        console = Console(highlight=False)
        with console.capture() as tables:
            show(console, text.strip() if result.is_leaf else f"{result.label} = {text.strip()}", Graph(result))
        print(tables.get(), end="")
        if arguments.explain:
            from ..show.explanation import explain

            print(explain(result, steps=100))
            print()
    status = 0
    if arguments.check:
        status = _check(expression, leaves, arguments)
    if target is not None:
        try:
            write(result, target)
        except (OSError, ValueError, RuntimeError, SubprocessError) as error:
            told = f"no picture: {error}; -o FILE.json writes the whole graph as data"
            if arguments.output:
                raise CommandError(told) from error
            print(f"chainrule: {told}", file=sys.stderr)
        else:
            print(f"{'data' if target.suffix == '.json' else 'picture'}: {target}", file=sys.stderr if arguments.json else sys.stdout)
    return status


def _scalar(result: Any, arguments: argparse.Namespace) -> Any:
    if not np.ndim(getattr(result, "_data", result)):
        return result
    if arguments.sum:
        return TABLE["sum"](result)
    raise CommandError(
        f"the result has shape {np.shape(result)}, and a gradient starts from one number; add --sum, or reduce it in the expression"
    )


def _check(expression: Expression, leaves: Mapping[str, Value], arguments: argparse.Namespace) -> int:
    from ..prove.checking import check

    names = [name for name, leaf in leaves.items() if leaf.requires_grad and name in expression.names]

    def function(*args: Any) -> Any:
        return _scalar(expression.evaluate({**leaves, **dict(zip(names, args, strict=True))}), arguments)

    function.__name__ = "numerical check"
    report = check(function, *(leaves[name].data for name in names), names=names)
    print(f"{report}\n", file=sys.stderr if arguments.json else sys.stdout)
    return 0 if report else 1


def main(argv: Sequence[str] | None = None) -> int:
    """The command's entry point; returns the exit status: 0, 1 where a check failed, 2 for bad input."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without ∂ gets ?
    try:
        status = run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return status
    except (CommandError, ExpressionError) as error:
        print(f"chainrule: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
