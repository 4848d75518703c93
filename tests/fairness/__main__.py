from __future__ import annotations

import argparse
import contextlib
import io
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from engine import assert_rule, check
from engine.primitives import Primitive
from tests.fairness import right, wrong
from tests.fairness.points import random_points
from tests.mutation import Mutant
from tests.peers import PEERS, peer_catches

UNDECIDED = {"imprecise", "nondeterministic"}
Checker = Callable[[Primitive], str]  # "" where it finds nothing wrong


def ours(rule: Primitive) -> str:
    try:
        assert_rule(rule)
    except AssertionError as error:
        return str(error).splitlines()[0]
    return ""


def theirs(objects: Any) -> Checker:
    def judge(rule: Primitive) -> str:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return "refused" if peer_catches(objects, Mutant("", "", rule, None)) else ""

    return judge


def verdict(f: Callable[..., Any], args: Any, grad: Any) -> str:
    """ "" where `check` passes, "undecided", or "wrong" for any other verdict."""
    report = check(f, *args, grad=grad)
    if report:
        return ""
    return "undecided" if {element.verdict for element in report.failures} <= UNDECIDED else "wrong"


def judged_functions() -> Counter[str]:
    """What `check` says about the right functions."""
    count: Counter[str] = Counter()
    for name, f, args, grad in right.functions():
        said = verdict(f, args, grad)
        count[said] += 1
        if said:
            print(f"  {said}: {name}")
    return count


def alarms(points: int) -> int:
    """At how many random points `check` does not pass."""
    count = 0
    for drawn in random_points(points):
        if said := verdict(drawn.f, drawn.args, None):
            count += 1
            print(f"  {said}: {drawn}")
    return count


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fairness")
    parser.add_argument("--peers", action="store_true", help="the checkers of PyTorch, JAX and autograd as well")
    parser.add_argument("--points", type=int, default=2000, metavar="N", help="random points (default: %(default)s)")
    options = parser.parse_args()
    checkers: dict[str, Checker] = {"assert_rule": ours}
    for name, objects in PEERS.items() if options.peers else ():
        with contextlib.suppress(ImportError):
            import_module(name)
            checkers[name] = theirs(objects)
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    failed = False
    for name, judge in checkers.items():
        missed = [what for what, make in wrong.rules() if not judge(make())]
        refused = [what for what, make in right.rules() if judge(make())]
        print(f"{name}: {len(wrong.rules()) - len(missed)} of {len(wrong.rules())} wrong rules refused, ", end="")
        print(f"{len(refused)} of {len(right.rules())} right ones")
        if name == "assert_rule":
            failed = bool(missed or refused)
            print("".join(f"  {what}\n" for what in [*missed, *refused]), end="")
    count = judged_functions()
    print(f"check: of {sum(count.values())} right functions {count['wrong']} called wrong, {count['undecided']} undecided")
    alarmed = alarms(options.points)
    print(f"check: {alarmed} alarms at {options.points:,} random points")
    return 1 if failed or count["wrong"] or alarmed else 0


if __name__ == "__main__":
    sys.exit(main())
