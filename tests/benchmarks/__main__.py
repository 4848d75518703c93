"""The tables: `python -m tests.benchmarks [scalar] [tensor] [nn] [chain] [parts] [import] [checkers]`, or one contest: `tensor.network`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from . import chain, checkers, nn, parts as many_parts, scalar, startup, tensor
from .timing import Contest, race

CONTESTS: dict[str, Any] = {"scalar": scalar, "tensor": tensor, "nn": nn}
PLACES = ["scalar.network", "scalar.expression", "tensor.network", "tensor.classifier", "tensor.elementwise"]
PLACES += ["nn.lstm", "nn.conv", "nn.gpt", "nn.gpt_by_number"]

console = Console(width=None if sys.stdout.isatty() else 120)


def show(place: str) -> None:
    """Run the contest of that place, "module.name", and print its table."""
    module, _, name = place.partition(".")
    contest: Contest = getattr(CONTESTS[module], name)()
    table = Table(title=f"{contest.title}   [dim]{contest.goals}[/dim]", title_justify="left")
    for column in ("", "gc on", f"× {contest.reference}", "gc off", f"× {contest.reference}"):
        table.add_column(column, justify="right" if column else "left")
    for contender, timings in race(place, contest).items():
        row = [contender]
        for timing in timings:
            row += [_time(timing.seconds), f"{timing.ratio:.3g}"]
        table.add_row(*row)
    console.print(table)


def show_chain() -> None:
    """The million operations."""
    table = Table(title=f"{chain.OPERATIONS:,} scalar operations   [dim]≤ 220 bytes each with the gradients[/dim]", title_justify="left")
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
    parts: dict[str, Callable[[], object]] = {place: lambda place=place: show(place) for place in PLACES}  # type: ignore[misc]
    for module in CONTESTS:
        parts[module] = lambda module=module: [show(place) for place in PLACES if place.startswith(module)]  # type: ignore[misc]
    parts |= {"chain": show_chain, "parts": show_parts, "import": show_import, "checkers": checkers.main}
    if unknown := [name for name in names if name not in parts]:
        print(f"no benchmark named {', '.join(unknown)}; there are {', '.join(parts)}", file=sys.stderr)
        return 2
    for name in names or [name for name in parts if name not in PLACES]:
        parts[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
