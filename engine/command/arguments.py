"""The words after `chainrule`: an expression, a value for each variable, and options."""

from __future__ import annotations

import argparse
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from .. import __version__
from ..primitives import COMPOSITES, TABLE
from .errors import CommandError
from .output import SUFFIXES

__all__ = ["Arguments", "read_arguments"]

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


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the user asks for."""

    expression: str
    values: dict[str, str]  # for each variable, the text of its value
    wrt: frozenset[str] | None  # the variables to differentiate with respect to; None: all
    sum: bool
    explain: bool
    check: bool
    json: bool
    output: str | None
    force: bool


def read_arguments(argv: Sequence[str]) -> Arguments:
    """Read the words of a command line.

    Raises:
        CommandError: an option is unknown or incomplete; there is no expression, or more than one; a variable has two values.
        SystemExit: after `--help` and `--version`, which print what is asked for.
    """
    parser = _parser()
    options = {option for action in parser._actions for option in action.option_strings}
    namespace = vars(parser.parse_intermixed_args([_shield(word, options) for word in argv]))
    expression, values = _sort([word.removeprefix(SHIELD) for word in namespace.pop("words")])
    wrt = namespace.pop("wrt")
    return Arguments(expression, values, wrt if wrt is None else frozenset(map(_variable, wrt.split(","))), **namespace)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message}; see chainrule --help")


def _parser() -> argparse.ArgumentParser:
    names = textwrap.fill(", ".join(sorted(TABLE.keys() | COMPOSITES.keys())), 78, initial_indent="    ", subsequent_indent="    ")
    parser = _Parser(
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
    return parser


SHIELD = "\0"  # no argument of a process can contain it


def _shield(word: str, options: set[str]) -> str:
    """Put SHIELD before an expression that begins with a minus sign, so that argparse does not read it as an option."""
    is_option = word.split("=")[0] in options or (word.startswith("-o") and word.endswith(SUFFIXES))
    return SHIELD + word if word.startswith("-") and not word.startswith("--") and not is_option else word


def _sort(words: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The expression, and the text of each variable's value."""
    expressions: list[str] = []
    values: dict[str, str] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = _variable(name)
        if not equals or not name.isidentifier() or text.startswith("="):
            expressions.append(word)
        elif name in values:
            raise CommandError(f"{name!r} is given twice")
        else:
            values[name] = text
    if not expressions:
        raise CommandError('no expression; write chainrule "x**2" x=3, or chainrule --help')
    if len(expressions) > 1:
        raise CommandError(f"one expression in quotes is expected, not {len(expressions)}: {' '.join(map(repr, expressions[:4]))}")
    return expressions[0], values


def _variable(name: str) -> str:
    """A variable's name in the form that Python's grammar gives to names (NFKC)."""
    return unicodedata.normalize("NFKC", name.strip())
