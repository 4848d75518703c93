"""Wrong rules are refused, right functions and rules are not: the sets of `tests.fairness`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from engine import assert_rule, check
from tests.fairness import right, wrong
from tests.fairness.points import random_points

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # many of them overflow on purpose


@pytest.mark.parametrize(("name", "make"), wrong.rules(), ids=[name for name, _ in wrong.rules()])
def test_a_wrong_rule_is_refused(name, make):
    with pytest.raises(AssertionError):
        assert_rule(make())


@pytest.mark.parametrize(("name", "make"), right.rules(), ids=[name for name, _ in right.rules()])
def test_a_right_rule_is_proved(name, make):
    assert_rule(make())


@pytest.mark.parametrize(("name", "f", "args", "grad"), right.functions(), ids=[name for name, *_ in right.functions()])
def test_a_right_function_passes(name, f, args, grad):
    report = check(f, *args, grad=grad)
    assert report, report


@settings(max_examples=4, derandomize=True, database=None)
@given(st.integers(0, 2**32))
def test_the_functions_of_the_engine_pass_anywhere(seed):
    for drawn in random_points(200, seed):
        report = check(drawn.f, *drawn.args)
        assert report, f"{drawn}\n{report}"


@settings(max_examples=4, derandomize=True, database=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 1e-13, 1e-9, 1e-3, 1.0]))
def test_what_is_printed_is_what_is_judged(seed, mistake):
    """A difference within the printed allowance is right; one beyond it is not."""
    for drawn in random_points(60, seed):
        slopes = check(drawn.f, *drawn.args)
        by_hand = [np.zeros(np.shape(arg)) for arg in drawn.args]
        names = list(dict.fromkeys(element.input for element in slopes.elements))
        if np.ndim(drawn.f(*drawn.args)):
            continue
        for element in slopes.elements:
            by_hand[names.index(element.input)][element.index] = element.analytic * (1 + mistake)
        for element in check(drawn.f, *drawn.args, grad=tuple(by_hand) if len(by_hand) > 1 else by_hand[0]).elements:
            gap = abs(element.analytic - element.numerical)
            if element.verdict == "right":
                assert gap <= element.error, f"{drawn}: {element}"
            if element.verdict == "wrong":
                assert gap > element.error, f"{drawn}: {element}"
