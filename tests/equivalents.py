"""Mutants that change nothing a user can see: `tests.mutants` leaves them out of its score.

An entry quotes the mutant as the tool prints it.  "*" as the mutated text stands for every mutant of that
original text in that function.  An entry that fits no mutant any more is reported, and is to be taken out.
"""

from __future__ import annotations

from typing import NamedTuple


class Equivalent(NamedTuple):
    file: str
    function: str
    original: str
    mutated: str
    reason: str


EQUIVALENT: list[Equivalent] = [
    Equivalent(*entry)
    for entry in (
        # The core: Value, operators, fast path, nodes
        # The core: chain rule, calculus, rule table, modes, files, trees
        # engine/show
        # engine/prove
        # engine/command
        (
            "engine/command/main.py",
            "_check.function",
            "return _as_scalar(expression.evaluate({**leaves, **dict(zip(names, args, strict=True))}), arguments)",
            "return _as_scalar(expression.evaluate({**leaves, **dict(zip(names, args))}), arguments)",
            "`check` calls the function with one argument for each name",
        ),
        (
            "engine/command/output.py",
            "_sign",
            "return b'{\"comment\": \"' + mark + b'\",' + data[data.index(b'{') + 1:]",
            "return b'{\"comment\": \"' + mark + b'\",' + data[data.index(b'{') + 2:]",
            "after the brace comes the end of the line, which JSON does not need",
        ),
        ("engine/command/inputs.py", "_fault", "return ''", "return None", "the caller asks only whether there is a text"),
        # nn
    )
]
