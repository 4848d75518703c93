"""The public strategies: what they draw is what they say, and programs run, print, and shrink."""

import numpy as np
import pytest
from hypothesis import find, given, settings, strategies as st

import engine
from engine import Value, primitive, strategies as some
from engine.primitives import TABLE
from engine.prove.points import clear_of_kinks, inside

fixed = settings(max_examples=60, derandomize=True, database=None)
searching = settings(max_examples=2000, derandomize=True, database=None, deadline=None)


# ── numbers and arrays ────────────────────────────────────────────────────────


@fixed
@given(some.scalars(-1.0, 2.0, away_from=[0.0, 1.0], margin=0.25))
def test_scalars_keep_their_distance(x):
    assert type(x) is float
    assert -1.0 <= x <= 2.0
    assert abs(x) >= 0.25
    assert abs(x - 1.0) >= 0.25


@fixed
@given(some.arrays(away_from=[0.0], margin=0.05))
def test_arrays_have_no_ties_and_keep_their_distance(x):
    assert np.all(np.diff(np.sort(x.ravel())) >= 0.05)
    assert np.all(np.abs(x) >= 0.05)
    assert np.all((x >= -4.0) & (x <= 4.0))


@fixed
@given(some.arrays((10, 8), 0.0, 1.0, dtype=np.float32))
def test_large_arrays_in_a_narrow_range_are_distinct_too(x):
    assert x.dtype == np.float32
    assert len(np.unique(x)) == 80
    assert np.all((x >= 0.0) & (x <= 1.0))


def test_impossible_demands_are_refused():
    with pytest.raises(ValueError, match="no number between"):
        some.scalars(-1.0, 1.0, away_from=[0.0], margin=2.0)
    with pytest.raises(ValueError, match="not in the rule table: tanhh"):
        some.programs(["tanhh"])


@fixed
@given(some.values(some.shapes(2, 2, min_side=0)))
def test_values_are_leaves(v):
    assert isinstance(v, Value)
    assert v.is_leaf
    assert v.requires_grad


# ── shapes and indices ────────────────────────────────────────────────────────


@fixed
@given(some.broadcastable(3, min_side=0))
def test_shapes_broadcast_together(shapes):
    assert len(shapes) == 3
    np.broadcast_shapes(*shapes)


@fixed
@given(some.contractions())
def test_contractions_fit(contraction):
    subscripts, shapes = contraction
    result = np.einsum(subscripts, *map(np.ones, shapes))
    assert np.ndim(result) == len(subscripts.partition("->")[2])


def test_contractions_reach_a_matrix_product_a_diagonal_and_a_batch():
    find(some.contractions(), lambda c: c.subscripts == "ij,jk->ik", settings=searching)
    find(some.contractions(), lambda c: any(len(set(term)) < len(term) for term in c.subscripts.partition("->")[0].split(",")))
    find(some.contractions(), lambda c: "," in c.subscripts and set.intersection(*map(set, c.subscripts.replace("->", ",").split(","))))


@fixed
@given(some.products(min_side=0))
def test_products_fit_matmul(shapes):
    np.matmul(*map(np.ones, shapes))


@fixed
@given(some.shapes(3, 3, min_side=0), st.data())
def test_indices_fit(shape, data):
    x = np.arange(np.prod(shape)).reshape(shape)
    index = data.draw(some.indices(shape))
    assert engine.getitem(x, index=index).size >= 0


# ── operands ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(TABLE))
def test_operands_lie_in_the_domain_and_clear_of_kinks(name):
    rule = TABLE[name]

    @settings(max_examples=12, derandomize=True, database=None)
    @given(some.operands(rule))
    def holds(call):
        assert all(np.all(inside(rule, [arg])) or rule.domain[k % len(rule.domain)] for k, arg in enumerate(call.args))
        for (low, high), arg in zip(rule.domain * (len(call.args) if rule.variadic else 1), call.args, strict=False):
            assert np.all((low < np.asarray(arg)) & (np.asarray(arg) < high))
        assert clear_of_kinks(rule, *call, margin=1e-3)
        assert np.all(np.isfinite(rule(*call.args, **call.params)))

    holds()


# ── programs ──────────────────────────────────────────────────────────────────


@fixed
@given(some.programs())
def test_every_number_of_a_program_is_finite_and_moderate(program):
    def check(name, *args, **params):
        result = TABLE[name](*args, **params)
        assert np.all(np.abs(result) <= 100.0)
        assert clear_of_kinks(TABLE[name], args, params)
        return result

    program.run(check, program.inputs)


@fixed
@given(some.programs())
def test_no_step_and_no_input_is_idle(program):
    used = {o for step in program.steps for o in step.operands if isinstance(o, int)} | set(program.outputs)
    assert used == set(range(len(program.inputs) + len(program.steps)))


@fixed
@given(some.programs())
def test_a_program_prints_as_code_that_computes_the_same(program):
    space = {}
    exec(str(program), space)
    again = space["program"](*space["inputs"])
    results = program()
    for one, two in zip(*(r if isinstance(r, tuple) else (r,) for r in (results, again)), strict=True):
        np.testing.assert_array_equal(one, two)


@fixed
@given(some.programs())
def test_the_total_depends_on_every_output(program):
    leaves = [Value(x) for x in program.inputs]
    outputs = program(*leaves)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    program_total = program.total(*leaves)
    expected = sum(np.sum(out.data * np.cos(np.arange(1.0, 1.0 + out.size) + k).reshape(out.shape)) for k, out in enumerate(outputs))
    np.testing.assert_allclose(program_total.item(), expected, rtol=1e-12, atol=1e-12)


def test_programs_reach_every_rule_sharing_several_outputs_and_depth():
    seen, shared, several, deep = set(), 0, 0, 0

    @settings(max_examples=300, derandomize=True, database=None)
    @given(some.programs())
    def gather(program):
        nonlocal shared, several, deep
        uses = [o for step in program.steps for o in step.operands if isinstance(o, int)]
        seen.update(step.name for step in program.steps)
        shared += len(uses) > len(set(uses))
        several += len(program.outputs) > 1
        deep += len(program.steps) >= 8

    gather()
    assert len(seen) >= 0.9 * len(TABLE), set(TABLE) - seen
    assert min(shared, several, deep) >= 30


def test_a_failing_program_shrinks_to_the_smallest_graph():
    tall = find(some.programs(), lambda p: any(step.name == "sum" for step in p.steps), settings=searching)
    assert [step.name for step in tall.steps] == ["sum"]
    assert len(tall.inputs) == len(tall.outputs) == 1

    def twice(p):
        uses = [o for step in p.steps for o in step.operands if isinstance(o, int)]
        return any(uses.count(o) > 1 for o in uses)

    diamond = find(some.programs(), twice, settings=searching)
    assert len(diamond.steps) <= 2  # f(x, x), or f(x) twice
    assert len(diamond.inputs) == 1


def test_programs_take_up_a_rule_of_ones_own():
    primitive("cube", lambda x: x**3, lambda g, out, x: 3.0 * g * x**2, elementwise=True)
    found = find(some.programs(), lambda p: any(step.name == "cube" for step in p.steps), settings=searching)
    assert "engine.cube(" in str(found)


@fixed
@given(some.programs(["add", "tanh", "matmul"]))
def test_programs_keep_to_the_names_they_are_given(program):
    assert {step.name for step in program.steps} <= {"add", "tanh", "matmul"}
