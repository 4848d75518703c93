"""The benchmarks measure what they say: each contender in a process of its own, and all compute the same."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from tests.benchmarks.timing import agree, race


@pytest.mark.parametrize("place", ["scalar.expression", "tensor.network", "nn.gpt"])
def test_a_contest_times_all_who_are_installed_and_its_reference_twice(place: str) -> None:
    module, name = place.split(".")
    contest = getattr(import_module(f"tests.benchmarks.{module}"), name)()
    theirs = {"micrograd", "MyGrad", "autograd", "PyTorch", "JAX, jit"}  # may be installed, and take long to import
    few = {name: contender for name, contender in contest.contenders.items() if name not in theirs}
    results = race(place, contest._replace(contenders=few, turn=0.002, rounds=1))
    assert list(results) == [*few, f"{contest.reference}, again"]
    assert all(timing.seconds > 0 for timings in results.values() for timing in timings)
    assert results[contest.reference][0].ratio == 1


def test_contenders_that_compute_something_else_do_not_race() -> None:
    with pytest.raises(AssertionError, match="ours"):
        agree({"by hand": [np.ones(2)], "ours": [np.array([1.0, 1.1])]}, "by hand")
