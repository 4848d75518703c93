"""The command `chainrule`: an expression and numbers in, the forward and the backward pass out.

chainrule "tanh(x*w + b)" x=2 w=-3 b=6.5
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import SubprocessError
from typing import Any, NoReturn

import numpy as np

from ..primitives import TABLE
from ..value import Value
from .arguments import Arguments, read_arguments
from .errors import CommandError
from .expression import Expression, ExpressionError, parse
from .inputs import read_value
from .output import choose_path, write


def main(argv: Sequence[str] | None = None) -> int:
    """The command's entry point.  It returns the exit status: 0, 1 where a check failed, 2 for bad input."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without ∂ gets ?
    if argv is None:  # then this is the program's process
        signal.signal(signal.SIGTERM, _end)
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


def _end(*_: Any) -> NoReturn:
    """On SIGTERM the program ends as after an error: it removes what it has begun to write."""
    raise SystemExit(143)


def run(argv: Sequence[str]) -> int:
    """Do what the arguments say, and return the exit status."""
    arguments = read_arguments(argv)
    data_only = arguments.json and not arguments.output
    path = None if data_only else choose_path(arguments.output or "chainrule.svg", arguments.force)  # refused before anything is computed
    expression = parse(arguments.expression)
    leaves = _leaves(arguments, expression)
    result = _differentiate(arguments, expression, leaves)

    for name in leaves:
        if name not in expression.names:
            print(f"chainrule: note: {name!r} is not in the expression", file=sys.stderr)
    _show(arguments, result)
    agrees = not arguments.check or _check(arguments, expression, leaves)
    if path is not None:
        _save(arguments, result, path)
    return 0 if agrees else 1


def _leaves(arguments: Arguments, expression: Expression) -> dict[str, Value]:
    """The variables as Values, of which those to differentiate with respect to require a gradient."""
    values = {name: read_value(name, text) for name, text in arguments.values.items()}
    wrt = arguments.wrt
    for name in sorted((wrt or set()) - expression.names.keys()):
        raise CommandError(f"--wrt {name}: the expression has no such variable; it has {', '.join(expression.names) or 'none'}")
    return {name: Value(data, label=name, requires_grad=wrt is None or name in wrt) for name, data in values.items()}


def _differentiate(arguments: Arguments, expression: Expression, leaves: Mapping[str, Value]) -> Value:
    """Both passes: the expression's result, which has passed its gradient back to the leaves."""
    result = _as_scalar(expression.evaluate(leaves), arguments)
    if not isinstance(result, Value) or not result.requires_grad:
        raise CommandError("the result depends on no variable" if leaves else "nothing to differentiate: the expression has no variables")
    if not result.is_leaf:
        result.label = "out" if "out" not in leaves else "result"
    try:
        with np.errstate(all="ignore"):
            result.backward()
    except (TypeError, ValueError, MemoryError) as error:
        raise CommandError(f"no gradient: {str(error) or 'out of memory'}") from error
    return result


def _as_scalar(result: Any, arguments: Arguments) -> Any:
    """The result if it is one number; with --sum, the sum of an array."""
    if not np.ndim(getattr(result, "_data", result)):
        return result
    if arguments.sum:
        return TABLE["sum"](result)
    raise CommandError(
        f"the result has shape {np.shape(result)}, and a gradient starts from one number; add --sum, or reduce it in the expression"
    )


def _show(arguments: Arguments, result: Value) -> None:
    """Print the graph as JSON, or as tables and, with --explain, in words."""
    if arguments.json:
        from ..show.formats import to_json

        print(to_json(result))
        return
    from ..show.graph import Graph
    from .tables import show

    text = arguments.expression.strip()
    show(text if result.is_leaf else f"{result.label} = {text}", Graph(result))
    if arguments.explain:
        from ..show.explanation import explain

        print(explain(result, steps=100), end="\n\n")


def _check(arguments: Arguments, expression: Expression, leaves: Mapping[str, Value]) -> bool:
    """Print every gradient beside a numerical one.  True if all of them agree."""
    from ..prove.checking import check

    names = [name for name, leaf in leaves.items() if leaf.requires_grad and name in expression.names]

    def function(*args: Any) -> Any:
        return _as_scalar(expression.evaluate({**leaves, **dict(zip(names, args, strict=True))}), arguments)

    function.__name__ = "numerical check"
    report = check(function, *(leaves[name].data for name in names), names=names)
    print(f"{report}\n", file=_beside(arguments))
    return bool(report)


def _save(arguments: Arguments, result: Value, path: Path) -> None:
    """Write the picture or the data.  Without -o, a picture that cannot be drawn is a note, not an error."""
    try:
        write(result, path)
    except (OSError, ValueError, RuntimeError, SubprocessError) as error:
        told = f"no picture: {error}; -o FILE.json writes the whole graph as data"
        if arguments.output:
            raise CommandError(told) from error
        print(f"chainrule: {told}", file=sys.stderr)
    else:
        print(f"{'data' if path.suffix.lower() == '.json' else 'picture'}: {path}", file=_beside(arguments))


def _beside(arguments: Arguments) -> Any:
    """Where to print what is not the graph: with --json, standard output has nothing but JSON."""
    return sys.stderr if arguments.json else sys.stdout
