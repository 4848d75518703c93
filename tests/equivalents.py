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
        (
            "engine/prove/verdicts.py",
            "judge",
            "if last is not None and (d.verdict == OPEN).any():",
            "if True:",
            "without an open output nothing is done with the jumps; it only takes longer",
        ),
        (
            "engine/prove/verdicts.py",
            "jumps",
            "(np.abs(point.at(line, step * shrink) - point.here) for shrink in (STEP_SEQUENCE[0], STEP_SEQUENCE[-1]))",
            "(np.abs(point.at(line, step * shrink) - point.here) for shrink in (STEP_SEQUENCE[1], STEP_SEQUENCE[-1]))",
            "which of the long steps a jump is compared with is a choice",
        ),
        (
            "engine/prove/verdicts.py",
            "decide_one_sided",
            "between = exact >= known - slack if last.slope[j] > 0 else exact <= known + slack",
            "between = exact >= known - slack if last.slope[j] >= 0 else exact <= known + slack",
            "at a jump the difference of the two sides is neither 0 nor small",
        ),
        (
            "engine/prove/verdicts.py",
            "decide_one_sided",
            "between = exact >= known - slack if last.slope[j] > 0 else exact <= known + slack",
            "between = exact >= known - slack if last.slope[j] > 1 else exact <= known + slack",
            "at a jump the difference of the two sides is neither 0 nor small",
        ),
        (
            "engine/prove/verdicts.py",
            "decide_one_sided",
            "between = exact >= known - slack if last.slope[j] > 0 else exact <= known + slack",
            "between = exact > known - slack if last.slope[j] > 0 else exact <= known + slack",
            "the slack is an estimate, so its last digit has no meaning",
        ),
        (
            "engine/prove/verdicts.py",
            "decide_one_sided",
            "between = min(left, right) - slack <= exact <= max(left, right) + slack",
            "between = min(left, right) - slack <= exact < max(left, right) + slack",
            "the slack is an estimate, so its last digit has no meaning",
        ),
        ("engine/prove/verdicts.py", "decide_one_sided", "return False", "return None", "the caller asks for its truth only"),
        # engine/command
        # nn
    )
]
