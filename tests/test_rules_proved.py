"""Every primitive of the rule table through `assert_rule`, by enumeration, and random programs made of them."""

import pytest
from hypothesis import given, settings

import engine
from engine import strategies as some
from engine.primitives import TABLE
from engine.proving import assert_rule

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_rule_is_proved(name):
    assert_rule(TABLE[name])


@quick
@given(some.programs())
def test_programs_have_the_numerical_derivative(program):
    report = engine.check(program.total, *program.inputs)
    assert report, f"{report}\n{program}"
