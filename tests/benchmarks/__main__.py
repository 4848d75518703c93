"""The tables: `python -m tests.benchmarks [scalar] [tensor] [nn] [chain] [parts] [import] [checkers]`."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from . import chain, checkers, nn, parts as many_parts, scalar, startup, tensor
from .timing import Contest

console = Console(width=None if sys.stdout.isatty() else 120)


def show(contest: Contest) -> None:
    """Time a contest and print its table."""
    contest.run()
    table = Table(title=f"{contest.title}   [dim]{contest.goals}[/dim]", title_justify="left")
    for column in ("", "gc on", f"× {contest.reference}", "gc off", f"× {contest.reference}"):
        table.add_column(column, justify="right" if column else "left")
    for name in contest.contenders:
        row = [name]
        for timing in (contest.with_gc[name], contest.without_gc[name]):
            row += [_time(timing.seconds), f"{timing.ratio:.2f}"]
        table.add_row(*row)
    console.print(table)


def show_chain() -> None:
    """The million operations."""
    table = Table(title=f"{chain.OPERATIONS:,} scalar operations   [dim]≤ 2 µs, ≤ 320 bytes each[/dim]", title_justify="left")
    for column in ("", "µs an operation", "bytes an operation, after it"):
        table.add_column(column, justify="right" if column else "left")
    for stage, (micros, size) in chain.measure().items():
        table.add_row(stage, f"{micros:.3f}", f"{size:.0f}")
    console.print(table)


def show_parts() -> None:
    """What a part costs, when there are a thousand and when there are a hundred thousand."""
    table = Table(title="µs of CPU time a part   [dim]no more for many than for few[/dim]", title_justify="left")
    for column in ("", *(f"{count:,}" for count in many_parts.COUNTS)):
        table.add_column(column, justify="right" if column else "left")
    for way, micros in many_parts.measure().items():
        table.add_row(escape(way), *(f"{number:.1f}" for number in micros))
    console.print(table)


def show_import() -> None:
    """What the engine's import costs."""
    table = Table(title="import   [dim]≤ 30 ms over NumPy[/dim]", title_justify="left", show_header=False)
    for name, seconds in startup.measure().items():
        table.add_row(name, _time(seconds))
    console.print(table)


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def main(names: list[str]) -> int:
    """Print the tables that were asked for, all by default."""
    parts = {
        "scalar": lambda: [show(c) for c in scalar.contests()],
        "tensor": lambda: [show(c) for c in tensor.contests()],
        "nn": lambda: [show(c) for c in nn.contests()],
        "chain": show_chain,
        "parts": show_parts,
        "import": show_import,
        "checkers": checkers.main,
    }
    if unknown := [name for name in names if name not in parts]:
        print(f"no benchmark named {', '.join(unknown)}; there are {', '.join(parts)}", file=sys.stderr)
        return 2
    for name in names or parts:
        parts[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
