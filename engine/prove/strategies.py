"""hypothesis strategies for gradient tests: numbers, arrays and Values at which a derivative exists, and whole programs.

    from hypothesis import given
    from engine import strategies as some

    @given(some.values((3,)), some.values((3,)))
    def test_dot(x, y): ...

    @given(some.operands(engine.hypot))      # inside the domain, away from the kinks
    def test_hypot(call): ...

    @given(some.programs())                  # a random graph over the whole rule table
    def test_backprop(program): ...

There is no derivative at a kink, and a numerical derivative close to one is wrong.  So every strategy here keeps a
*margin* to the points named in `away_from`, and between any two elements of an array (an array with a tie
lies on a kink of max and sort).  Draws shrink towards few, small and simple numbers.

Needs hypothesis: pip install 'chainrule[prove]'.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..primitives import COMPOSITES, TABLE, Primitive
from ..value import Value
from .literals import literal
from .points import HIGH, LOW, MARGIN, Call, Shape, clear_of_kinks, interval

try:
    from hypothesis import assume, strategies as st
    from hypothesis.extra import numpy as hnp
except ImportError as error:
    raise ImportError("engine.prove.strategies draws with hypothesis; install it with: pip install 'chainrule[prove]'") from error

__all__ = [
    "Program",
    "Step",
    "arrays",
    "broadcastable",
    "contractions",
    "indices",
    "operands",
    "products",
    "programs",
    "scalars",
    "shapes",
    "values",
]


# ── numbers ───────────────────────────────────────────────────────────────────


def scalars(low: float = LOW, high: float = HIGH, *, away_from: Collection[float] = (), margin: float = MARGIN) -> st.SearchStrategy[float]:
    """Floats between low and high (both included), none closer than `margin` to a number in `away_from`.

    0 is drawn; other numbers below 1e-6 in size are not, because they need tests with tolerances of their own.
    """
    edges = [low]
    for point in sorted(away_from):
        edges += [point - margin, point + margin]
    edges.append(high)
    gaps = [(max(a, low), min(b, high)) for a, b in zip(edges[::2], edges[1::2], strict=True) if max(a, low) <= min(b, high)]
    if not gaps:
        raise ValueError(f"no number between {low} and {high} keeps {margin} away from {sorted(away_from)}")
    gaps.sort(key=lambda gap: min(map(abs, gap)) if gap[0] * gap[1] > 0 else 0.0)
    return st.one_of(*(st.floats(a, b, allow_subnormal=False) for a, b in gaps)).filter(lambda x: x == 0 or abs(x) >= 1e-6)


def arrays(
    shape: int | Shape | st.SearchStrategy[Shape] | None = None,
    low: float = LOW,
    high: float = HIGH,
    *,
    away_from: Collection[float] = (),
    margin: float = MARGIN,
    dtype: Any = np.float64,
) -> st.SearchStrategy[np.ndarray[Any, Any]]:
    """Arrays of distinct numbers between low and high, pairwise at least `margin` apart.

    Args:
        shape: the shape, or a strategy for it; `shapes()` by default.
        low, high: bounds of the elements.
        away_from: numbers that every element keeps `margin` away from: a kink at 0, a pole.
        margin: halved for a large array until its elements fit between the bounds.
        dtype: a floating dtype.
    """

    @st.composite
    def draw_array(draw: Any) -> np.ndarray[Any, Any]:
        chosen = draw(shapes() if shape is None else shape) if not isinstance(shape, (int, tuple)) else shape
        chosen = (chosen,) if isinstance(chosen, int) else chosen
        return np.array(draw(_distinct(math.prod(chosen), low, high, away_from, margin)), dtype).reshape(chosen)

    return draw_array()


def values(
    shape: int | Shape | st.SearchStrategy[Shape] | None = None, low: float = LOW, high: float = HIGH, **options: Any
) -> st.SearchStrategy[Value]:
    """Leaves to differentiate with respect to, with data from `arrays` (same arguments); a scalar for the shape ()."""
    return arrays(shape, low, high, **options).map(lambda data: Value(data))


@st.composite
def _distinct(draw: Any, count: int, low: float, high: float, away_from: Collection[float], margin: float) -> list[float]:
    """Distinct numbers: points of a grid with twice the margin between neighbours, all shifted by the same part of a margin."""
    grid: list[float] = []
    while len(grid) < 2 * count or not grid:
        step = 2 * margin
        first, last = math.ceil(low / step), math.floor((high - margin) / step)
        grid = [k * step for k in range(first, last + 1)]
        grid = [x for x in grid if all(not -2 * margin < x - point < margin for point in away_from)]
        if margin < 1e-6 * (high - low):
            raise ValueError(f"no {count} numbers between {low} and {high} keep a margin from {sorted(away_from)} and each other")
        margin /= 2
    grid.sort(key=abs)
    places = draw(st.lists(st.integers(0, len(grid) - 1), min_size=count, max_size=count, unique=True))
    shift = draw(st.integers(0, 500)) * step / 1000
    return [grid[k] + shift for k in places]


# ── shapes ────────────────────────────────────────────────────────────────────


def shapes(max_dims: int = 3, max_side: int = 3, *, min_side: int = 1) -> st.SearchStrategy[Shape]:
    """Shapes, () among them; with min_side=0 also empty ones."""
    return hnp.array_shapes(min_dims=0, max_dims=max_dims, min_side=min_side, max_side=max_side)


def broadcastable(count: int = 2, max_dims: int = 3, max_side: int = 3, *, min_side: int = 1) -> st.SearchStrategy[tuple[Shape, ...]]:
    """Several shapes that broadcast together."""
    together = hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=max_dims, min_side=min_side, max_side=max_side)
    return together.map(lambda drawn: drawn.input_shapes)


class Contraction(NamedTuple):
    """Subscripts for einsum, and shapes that fit them."""

    subscripts: str
    shapes: tuple[Shape, ...]


@st.composite
def contractions(draw: Any, max_side: int = 3, *, min_side: int = 1) -> Contraction:
    """Sums of products of one to three operands: subscripts of einsum with shapes that fit.

    A letter may occur twice in one operand (a diagonal), in one operand only (it is summed over), or in several
    operands and the result (a batch).  Common products (a matrix product, an outer product, a trace) are drawn often.
    """
    usual = draw(st.sampled_from(["", "ij,jk->ik", "ij,j->i", "i,i->", "i,j->ij", "lij,ljk->lik", "ii->", "ii->i"]))
    terms = usual.partition("->")[0].split(",") if usual else draw(st.lists(st.text("ijkl", max_size=3), min_size=1, max_size=3))
    used = sorted(set("".join(terms)))
    kept = usual.partition("->")[2] if usual else "".join(draw(st.permutations(used))[: draw(st.integers(0, 3))])
    sides = {letter: draw(st.integers(min_side, max_side)) for letter in used}
    return Contraction(",".join(terms) + "->" + kept, tuple(tuple(sides[c] for c in term) for term in terms))


def products(max_dims: int = 4, max_side: int = 3, *, min_side: int = 1) -> st.SearchStrategy[tuple[Shape, ...]]:
    """Two shapes that `matmul` takes: vectors, matrices, and batches of them that broadcast."""
    fitting = hnp.mutually_broadcastable_shapes(
        signature="(m?,n),(n,p?)->(m?,p?)", max_dims=max_dims - 2, min_side=min_side, max_side=max_side
    )
    return fitting.map(lambda drawn: drawn.input_shapes)


def indices(shape: Shape) -> st.SearchStrategy[Any]:
    """Index expressions for an array of that shape: integers, slices, newaxis, ellipsis, integer arrays, masks."""
    ways: list[st.SearchStrategy[Any]] = [
        hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True),
        hnp.arrays(bool, shape),
    ]
    if shape and all(shape):
        ways.append(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3)))
    return st.one_of(*ways)


# ── operands of a primitive ───────────────────────────────────────────────────


@st.composite
def operands(draw: Any, primitive: Primitive) -> Call:
    """Operands for a primitive, inside its domain and away from its kinks, with parameters from its cases.

    An elementwise primitive gets shapes that broadcast together; another one those of its `cases`.
    Elements are distinct within and across operands, so that none of them tie.
    """
    if primitive.cases and (not primitive.elementwise or draw(st.booleans())):
        case = draw(st.sampled_from(primitive.cases))
        wanted, params = case.shapes, case.params
    else:
        wanted, params = draw(broadcastable(len(primitive.vjps))), {}
    alone = len(primitive.vjps) == 1 and primitive.kinks
    pools: dict[tuple[float, float], list[int]] = {}  # operands with the same interval share one pool of distinct numbers
    for argnum in range(len(wanted)):
        pools.setdefault(interval(primitive, argnum), []).append(argnum)
    args: dict[int, Any] = {}
    for (low, high), members in pools.items():
        sizes = [math.prod(wanted[k]) for k in members]
        numbers = draw(_distinct(sum(sizes), low, high, (0.0,) if alone else (), MARGIN))
        for k, size in zip(members, sizes, strict=True):
            data, numbers = numbers[:size], numbers[size:]
            args[k] = np.array(data).reshape(wanted[k]) if wanted[k] else data[0]
    call = Call(tuple(args[k] for k in range(len(wanted))), params)
    assume(clear_of_kinks(primitive, *call, margin=1e-3))
    return call


# ── programs ──────────────────────────────────────────────────────────────────


class Step(NamedTuple):
    """One operation of a program: a name of the rule table, its operands, its parameters.

    An operand is the number of a node (inputs first, then steps, from 0), or a float constant.
    """

    name: str
    operands: tuple[int | float, ...]
    params: dict[str, Any] = {}


class Program:
    """A graph as a plain list of steps: call it, differentiate it, print it as code that runs.

        program()                            # on its own inputs: one result, or a tuple of several
        program(*leaves)                     # on floats, arrays or Values
        program.total(*leaves)               # one number that depends on every element of every result
        print(program)                       # Python source

    Attributes:
        inputs: floats and arrays on which every intermediate value is finite and clear of kinks.
        steps: in the order of computation; each is needed for some output.
        outputs: the numbers of the nodes that are returned.
    """

    def __init__(self, inputs: Sequence[Any], steps: Sequence[Step], outputs: Sequence[int]):
        needed = set(outputs)
        for number in reversed(range(len(inputs), len(inputs) + len(steps))):
            if number in needed:
                needed.update(o for o in steps[number - len(inputs)].operands if isinstance(o, int))
        place = {old: new for new, old in enumerate(sorted(needed))}
        self.inputs = tuple(x for k, x in enumerate(inputs) if k in needed)
        self.steps = tuple(
            step._replace(operands=tuple(place[o] if isinstance(o, int) else o for o in step.operands))
            for k, step in enumerate(steps, len(inputs))
            if k in needed
        )
        self.outputs = tuple(place[o] for o in outputs)

    def run(self, apply: Callable[..., Any], inputs: Sequence[Any]) -> Any:
        """Compute each step by apply(name, *operands, **params); with another `apply`, another library can do the steps."""
        nodes = list(inputs)
        for step in self.steps:
            nodes.append(apply(step.name, *(nodes[o] if isinstance(o, int) else o for o in step.operands), **step.params))
        results = tuple(nodes[o] for o in self.outputs)
        return results[0] if len(results) == 1 else results

    def __call__(self, *inputs: Any) -> Any:
        return self.run(lambda name, *args, **params: TABLE[name](*args, **params), inputs or self.inputs)

    def total(self, *inputs: Any) -> Any:
        """The sum of all results, each element with a weight of its own, so that no two errors cancel."""
        results = self(*inputs)
        total: Any = 0.0
        for k, result in enumerate(results if isinstance(results, tuple) else (results,)):
            weights = np.cos(np.arange(1.0, 1.0 + math.prod(np.shape(result))) + k)
            total = total + np.sum(result * weights.reshape(np.shape(result)))
        return total

    def __str__(self) -> str:
        names = [f"x{k}" for k in range(len(self.inputs))] + [f"v{k}" for k in range(len(self.steps))]
        lines = ["import numpy as np", "import engine", "from engine.primitives import TABLE", ""]
        if not any(step.name in COMPOSITES for step in self.steps):
            del lines[2]
        lines += ["", f"def program({', '.join(names[: len(self.inputs)])}):"]
        for name, step in zip(names[len(self.inputs) :], self.steps, strict=True):
            called = f'TABLE["{step.name}"]' if step.name in COMPOSITES else f"engine.{step.name}"
            arguments = [names[o] if isinstance(o, int) else repr(o) for o in step.operands]
            arguments += [f"{key}={literal(param)}" for key, param in step.params.items()]
            lines.append(f"    {name} = {called}({', '.join(arguments)})")
        lines += [f"    return {', '.join(names[o] for o in self.outputs)}", "", ""]
        lines.append(f"inputs = ({''.join(literal(x) + ', ' for x in self.inputs).rstrip()})")
        return "\n".join(lines)

    __repr__ = __str__


_LIMIT = 100.0  # the largest intermediate value that a program may have


class _Builder:
    """Adds steps one by one, each only if its result is finite, of moderate size and clear of kinks."""

    def __init__(self, inputs: Sequence[Any]):
        self.inputs = list(inputs)
        self.data = list(inputs)
        self.steps: list[Step] = []

    def enter(self, name: str, operands: tuple[int | float, ...], params: dict[str, Any]) -> int | None:
        """The number of the new node, or None where the step does not fit."""
        primitive = TABLE[name]
        args = [self.data[o] if isinstance(o, int) else o for o in operands]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's: the spread of too few elements
            try:
                result = primitive(*args, **params)
                clear = clear_of_kinks(primitive, args, params)
            except (ValueError, IndexError, TypeError):  # shapes that do not fit each other or the parameters
                return None
        if not clear or not 0 < np.size(result) <= 64 or not np.all(np.absolute(result) <= _LIMIT):
            return None
        self.data.append(result if np.ndim(result) else float(result))
        self.steps.append(Step(name, operands, params))
        return len(self.data) - 1

    def fit_domain(self, node: int, domain: tuple[float, float]) -> int | None:
        """This node if its values lie inside the domain; otherwise a new node that maps them into the domain; None if that fails."""
        low, high = domain
        inside = np.all((low + MARGIN <= self.data[node]) & (self.data[node] <= high - MARGIN))
        if inside:
            return node
        if math.isfinite(low) and math.isfinite(high):
            margin = min(MARGIN, (high - low) / 20)
            steps = [("sigmoid", ()), ("multiply", (high - low - 2 * margin,)), ("add", (low + margin,))]
        elif math.isfinite(low):
            steps = [("softplus", ()), ("add", (low + MARGIN,))]
        else:
            steps = [("softplus", ()), ("multiply", (-1.0,)), ("add", (high - MARGIN,))]
        place: int | None = node
        for name, constants in steps:
            if place is not None:
                place = self.enter(name, (place, *constants), {})
        return place

    def apply(self, name: str, case: int, picks: Sequence[int]) -> None:
        """Add a step with this primitive; `picks` chooses operands, counted back from the newest node, and `case` its parameters."""
        primitive, newest = TABLE[name], len(self.data) - 1
        cases = primitive.cases
        params = cases[case % len(cases)].params if cases else {}
        arity = len(cases[case % len(cases)].shapes) if primitive.variadic else len(primitive.vjps)
        steps = len(self.steps)
        for shift in range(newest + 1):  # where these operands do not fit, their neighbours may
            chosen = [(newest - pick - shift) % (newest + 1) for pick in picks[:arity]]
            operands = [self.fit_domain(node, primitive.domain[0 if primitive.variadic else k]) for k, node in enumerate(chosen)]
            if None not in operands and self.enter(name, tuple(o for o in operands if o is not None), params) is not None:
                return
            del self.steps[steps:], self.data[newest + 1 :]


def programs(names: Collection[str] | None = None, *, max_steps: int = 12, max_inputs: int = 3) -> st.SearchStrategy[Program]:
    """Random programs over the rule table, with shared sub-expressions, several outputs and reductions.

    Every intermediate value is finite, at most 100 in size, inside its primitive's domain and clear of its
    kinks.  A failing program shrinks to the few steps and simple inputs that it takes to fail, and prints
    as code that runs.

    Args:
        names: the primitives to use, all of the table by default: `programs(["add", "tanh", "matmul"])`.
            To map values into a domain, sigmoid, softplus, add and multiply may be added.
        max_steps: the largest number of operations, those that map operands into a domain not counted.
        max_inputs: the largest number of inputs.
    """
    if unknown := sorted(set(names or ()) - TABLE.keys()):
        raise ValueError(f"not in the rule table: {', '.join(unknown)}")
    listed = sorted(TABLE if names is None else names, key=_simplicity)
    sides = st.tuples(st.integers(1, 3), st.integers(1, 3))
    ticket = st.tuples(st.sampled_from(listed), st.integers(0, 9999))  # four digits: the case and three operands

    @st.composite
    def draw_program(draw: Any) -> Program:
        m, n = draw(sides)
        forms = st.sampled_from([(), (n,), (m, n), (m, 1), (n, m), (n, n)])
        wanted = draw(st.lists(forms, min_size=1, max_size=max_inputs))
        sizes = [math.prod(shape) for shape in wanted]
        numbers = draw(_distinct(sum(sizes), -2.0, 2.0, (0.0,), MARGIN))
        inputs = []
        for shape, size in zip(wanted, sizes, strict=True):
            inputs.append(np.array(numbers[:size]).reshape(shape) if shape else numbers[0])
            numbers = numbers[size:]
        builder = _Builder(inputs)
        length = draw(st.integers(1, max_steps))
        for name, digits in draw(st.lists(ticket, min_size=length, max_size=length)):
            case, *picks = (digits // 10**k % 10 for k in (3, 0, 1, 2))
            builder.apply(name, case, picks)
        assume(builder.steps)
        newest, made = len(builder.data) - 1, len(builder.steps)
        used = {o for step in builder.steps for o in step.operands if isinstance(o, int)}
        ends = [node for node in range(newest, newest - made, -1) if node not in used]
        shared = draw(st.lists(st.integers(0, 9), max_size=1))  # an output may be used within as well
        outputs = dict.fromkeys([*ends[:3], *(newest - pick % made for pick in shared)])
        return Program(builder.inputs, builder.steps, tuple(outputs))

    return draw_program()


def _simplicity(name: str) -> tuple[bool, bool, int, str]:
    """The order in which failing programs shrink: an elementwise step with few operands is the simplest."""
    primitive = TABLE[name]
    return not primitive.elementwise, primitive.variadic, len(primitive.vjps), name
