"""The public strategies: what they draw is what they say, and programs run, print, and shrink."""

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings, strategies as st

import engine
from engine import Value, primitive, strategies as some
from engine.primitives import TABLE
from engine.prove.points import MARGIN, clear_of_kinks, inside
from engine.prove.strategies import _Builder

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


@fixed
@given(some.scalars(-1e-5, 1e-5))
def test_a_scalar_is_zero_or_not_tiny(x):
    assert x == 0.0 or 1e-6 <= abs(x) <= 1e-5


@pytest.mark.parametrize(
    ("strategy", "simplest"),
    [
        (some.scalars(-1.0, 2.0), 0.0),
        (some.scalars(-4.0, 0.0), 0.0),
        (some.scalars(away_from=[-3.5]), 0.0),  # the gap around 0 comes before the one from -4 to -3.6
        (some.scalars(away_from=[0.3], margin=0.2), 0.0),
        (some.scalars(away_from=[-0.5], margin=1.5), 1.0),
        (some.scalars(1.0, 1.0), 1.0),
        (some.scalars(1.0, 3.0, away_from=[2.0], margin=1.0), 1.0),
    ],
)
def test_scalars_shrink_towards_zero(strategy, simplest):
    assert find(strategy, lambda x: True) == simplest


def test_scalars_reach_both_ends_and_what_lies_between():
    for wanted in (lambda x: x == 0.0, lambda x: x < -0.9, lambda x: x > 1.9, lambda x: 0.1 < x < 0.4):
        find(some.scalars(-1.0, 2.0), wanted, settings=searching)


def test_arrays_take_a_length_a_shape_or_a_strategy_and_default_to_any_shape():
    assert find(some.arrays(3), lambda x: True).shape == (3,)
    assert find(some.arrays((2, 1)), lambda x: True).shape == (2, 1)
    assert find(some.arrays(st.just(2)), lambda x: True).shape == (2,)
    assert find(some.arrays(st.just((1, 2))), lambda x: True).shape == (1, 2)
    assert find(some.arrays(), lambda x: x.ndim == 2, settings=searching).shape == (1, 1)
    assert sorted(find(some.arrays(3), lambda x: True).tolist(), key=abs) == [0.0, -0.2, 0.2]  # the simplest: around 0


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


def reaches(strategy, *wanted):
    for one in wanted:
        find(strategy, one, settings=settings(searching, phases=[Phase.generate]))


@fixed
@given(some.shapes(), some.shapes(2, 4, min_side=0), some.broadcastable(), some.broadcastable(3, 2, 4, min_side=0))
def test_shapes_are_as_large_as_is_asked_for(one, other, two, three):
    assert (len(two), len(three)) == (2, 3)
    for shape in (one, *two):
        assert len(shape) <= 3
        assert all(1 <= side <= 3 for side in shape)
    for shape in (other, *three):
        assert len(shape) <= 2
        assert all(0 <= side <= 4 for side in shape)


def test_shapes_reach_their_limits():
    for strategy in (some.shapes(), some.broadcastable().map(lambda two: two[0])):
        reaches(strategy, lambda s: s == (), lambda s: len(s) == 3, lambda s: 3 in s, lambda s: 1 in s)
    for strategy in (some.shapes(2, 4, min_side=0), some.broadcastable(3, 2, 4, min_side=0).map(lambda three: three[0])):
        reaches(strategy, lambda s: 0 in s, lambda s: 4 in s, lambda s: len(s) == 2)
    reaches(some.products(), lambda two: len(two[0]) == 4, lambda two: len(two[0]) == len(two[1]) == 1, lambda two: 3 in two[1])
    reaches(some.products(3, 5, min_side=0), lambda two: len(two[0]) == 3, lambda two: 5 in two[0], lambda two: 0 in two[0])
    sides = some.contractions(5, min_side=0).map(lambda c: sum(c.shapes, ()))
    reaches(sides, lambda s: 5 in s, lambda s: 0 in s)
    reaches(some.contractions(), lambda c: 3 in sum(c.shapes, ()), lambda c: 1 in sum(c.shapes, ()), lambda c: c.subscripts[-1] == ">")


@fixed
@given(some.products(), some.products(3, 2, min_side=0), some.contractions(), some.contractions(2, min_side=2))
def test_products_and_contractions_are_as_large_as_is_asked_for(pair, small, contraction, even):
    assert all(1 <= len(shape) <= 4 and all(1 <= side <= 3 for side in shape) for shape in pair)
    assert all(1 <= len(shape) <= 3 and all(0 <= side <= 2 for side in shape) for shape in small)
    assert all(1 <= side <= 3 for side in sum(contraction.shapes, ()))
    assert set(sum(even.shapes, ())) <= {2}
    terms, _, kept = contraction.subscripts.partition("->")
    assert 1 <= len(terms.split(",")) <= 3
    assert all(len(term) <= 3 for term in [*terms.split(","), kept])


def test_contractions_reach_three_operands_and_three_letters():
    reaches(
        some.contractions(),
        lambda c: len(c.shapes) == 3,
        lambda c: any(len(shape) == 3 for shape in c.shapes) and len(c.shapes) == 1,
        lambda c: len(c.subscripts.partition("->")[2]) == 3,
        lambda c: c.subscripts == "i,j->ij",
    )


def test_indices_reach_every_kind():
    def parts(index):
        return index if isinstance(index, tuple) else (index,)

    reaches(
        some.indices((2, 3)),
        lambda index: None in [part for part in parts(index) if not isinstance(part, np.ndarray)],
        lambda index: any(part is Ellipsis for part in parts(index)),
        lambda index: any(isinstance(part, slice) for part in parts(index)),
        lambda index: isinstance(index, np.ndarray) and index.dtype == bool,
        lambda index: isinstance(index, tuple) and isinstance(index[0], np.ndarray) and index[0].shape == (2, 3),
    )


@fixed
@given(some.indices((2, 3)))
def test_integer_arrays_that_index_are_small(index):
    for part in index if isinstance(index, tuple) else ():
        if isinstance(part, np.ndarray):
            assert part.ndim <= 2
            assert all(side <= 3 for side in part.shape)


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


@fixed
@given(some.programs(["add", "tanh"], max_steps=2, max_inputs=1))
def test_programs_are_as_long_as_is_asked_for(program):
    assert 1 <= len(program.steps) <= 2
    assert len(program.inputs) == 1


def test_programs_reach_their_limits():
    reaches(some.programs(["add", "tanh"], max_steps=2, max_inputs=2), lambda p: len(p.steps) == 2, lambda p: len(p.inputs) == 2)
    reaches(some.programs(["add", "tanh"]), lambda p: len(p.inputs) == 3, lambda p: len(p.outputs) == 3)


def test_a_program_runs_on_its_inputs_or_on_others():
    program = some.Program(
        [2.0, np.array([1.0, 3.0]), 9.0],
        [some.Step("exp", (2,)), some.Step("multiply", (0, 1)), some.Step("add", (4, 0.5)), some.Step("sum", (5,), {"axis": 0})],
        [5, 6],
    )
    assert program.inputs[0] == 2.0
    assert len(program.inputs) == 2  # 9.0 and its exponential are not needed
    assert [step.name for step in program.steps] == ["multiply", "add", "sum"]
    one, two = program()
    np.testing.assert_array_equal(one, [2.5, 6.5])
    assert two == 9.0
    np.testing.assert_array_equal(program(1.0, np.array([0.0, 1.0]))[0], [0.5, 1.5])
    assert program.total() == pytest.approx(2.5 * np.cos(1.0) + 6.5 * np.cos(2.0) + 9.0 * np.cos(2.0))
    alone = some.Program([2.0], [some.Step("square", (0,))], [1])
    assert alone() == 4.0
    assert alone.total(3.0) == pytest.approx(9.0 * np.cos(1.0))


# ── how a program is made ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        ((0.0, 1.0), ["sigmoid", "multiply", "add"]),
        ((-3.0, 2.0), ["sigmoid", "multiply", "add"]),
        ((0.5, np.inf), ["softplus", "add"]),
        ((-np.inf, -0.5), ["softplus", "multiply", "add"]),
    ],
)
def test_numbers_are_mapped_into_a_domain(domain, names):
    builder = _Builder([np.array([-4.0, 0.3, 5.0])])
    node = builder.fit_domain(0, domain)
    low, high = domain
    margin = min(MARGIN, (high - low) / 20)
    assert [step.name for step in builder.steps] == names
    assert node == len(names)
    assert np.all((low + margin <= builder.data[node]) & (builder.data[node] <= high - margin))
    assert len(np.unique(builder.data[node])) == 3
    assert builder.fit_domain(node, (low - MARGIN, high + MARGIN)) == node  # it fits already
    assert len(builder.steps) == len(names)


def test_numbers_at_the_margin_of_a_domain_lie_inside():
    builder = _Builder([0.1, 1.9])
    assert builder.fit_domain(0, (0.0, np.inf)) == 0
    assert builder.fit_domain(1, (-np.inf, 2.0)) == 1
    assert not builder.steps
    assert _Builder([0.05]).fit_domain(0, (0.0, np.inf)) == 2
    assert _Builder([1.95]).fit_domain(0, (-np.inf, 2.0)) == 3
    assert _Builder([150.0]).fit_domain(0, (-np.inf, 2.0)) is None  # its softplus is too large


def test_a_step_is_added_only_if_it_fits():
    builder = _Builder([np.array([3.0, -2.0]), np.ones((2, 3)), 0.0, 12.5, np.ones(8), np.ones((13, 5))])
    assert builder.enter("add", (0, 1.0), {}) == 6
    assert builder.enter("sum", (0,), {"axis": 0}) == 7
    assert type(builder.data[7]) is float
    assert builder.enter("multiply", (4, 4), {}) == 8
    assert builder.enter("einsum", (4, 4), {"subscripts": "i,j->ij"}) == 9  # 64 elements
    before = list(builder.steps), len(builder.data)
    assert builder.enter("add", (0, 1), {}) is None  # shapes
    assert builder.enter("relu", (2,), {}) is None  # a kink
    assert builder.enter("square", (3,), {}) is None  # larger than 100
    assert builder.enter("negative", (5,), {}) is None  # 65 elements
    assert builder.enter("sum", (0,), {"axis": 5}) is None
    assert (builder.steps, len(builder.data)) == before
    assert builder.enter("multiply", (3, 8.0), {}) == 10  # 100 and no more


def test_operands_are_counted_back_from_the_newest_and_where_they_do_not_fit_their_neighbours_may():
    builder = _Builder([np.ones((2, 3)), np.ones((3, 2)), np.ones(4)])
    builder.apply("tanh", 0, [0])
    builder.apply("subtract", 0, [0, 1])
    builder.apply("matmul", 0, [2, 3])  # nodes 2 and 1 do not fit, nor 1 and 0 before ... but a pair of neighbours does
    assert builder.steps[0] == some.Step("tanh", (2,), {})
    assert builder.steps[1] == some.Step("subtract", (3, 2), {})
    assert builder.steps[2] == some.Step("matmul", (1, 0), {})
    assert len(builder.data) == 6
    alone = _Builder([np.ones((2, 3)), np.ones(4)])
    alone.apply("matmul", 0, [0, 1])
    assert not alone.steps
    assert len(alone.data) == 2
    alone.apply("log", 0, [1])  # of a node in the domain
    assert alone.steps == [some.Step("log", (0,), {})]


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
