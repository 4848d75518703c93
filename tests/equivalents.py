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
        (
            "engine/files.py",
            "replacing",
            "umask = os.umask(0)",
            "umask = os.umask(1)",
            "the mask is put back in the next line; no file is made between",
        ),
        (
            "engine/files.py",
            "replacing",
            "if os.name == 'posix':",
            "if True:",
            "the tests run on POSIX, where it is true",
        ),
        (
            "engine/primitives/table.py",
            "Primitive.__call__",
            "if params or len(args) != len(self.vjps):",
            "if True:",
            "speed: without parameters the operands come back as they are",
        ),
        (
            "engine/primitives/table.py",
            "Primitive._bind",
            "params.update(zip(self.params, args[arity:], strict=False))",
            "params.update(zip(self.params, args[arity:]))",
            "False is zip's default; the linter wants it said",
        ),
        (
            "engine/primitives/table.py",
            "Primitive.on_floats",
            "return result if type(result) is float else float(result)",
            "return result if False else float(result)",
            "speed: the float of a float is itself",
        ),
        (
            "engine/primitives/table.py",
            "bind_float_math",
            "if entry.elementwise:",
            "if True:",
            "the others' float versions are the same functions, with NumPy's names where `floats` has none",
        ),
        (
            "engine/primitives/floats.py",
            "maximum",
            "return x if x != x or x > y else y",
            "return x if x != x or x >= y else y",
            "of two equal numbers either is the larger, 0 and -0 too, as in NumPy",
        ),
        (
            "engine/primitives/floats.py",
            "fmax",
            "return x if y != y or x > y else y",
            "return x if y != y or x >= y else y",
            "of two equal numbers either is the larger, 0 and -0 too, as in NumPy",
        ),
        (
            "engine/primitives/floats.py",
            "minimum",
            "return x if x != x or x < y else y",
            "return x if x != x or x <= y else y",
            "of two equal numbers either is the smaller, 0 and -0 too, as in NumPy",
        ),
        (
            "engine/primitives/floats.py",
            "fmin",
            "return x if y != y or x < y else y",
            "return x if y != y or x <= y else y",
            "of two equal numbers either is the smaller, 0 and -0 too, as in NumPy",
        ),
        (
            "engine/backprop.py",
            "fit",
            "return contribution if contribution.dtype == dtype else contribution.astype(dtype)",
            "return contribution if False else contribution.astype(dtype)",
            "speed: a copy of the same numbers",
        ),
        (
            "engine/backprop.py",
            "contributions",
            "def contributions(node: Node, g: Any, *, record: bool=False, oldest: float=-1) -> Iterator[tuple[Any, Any]]:",
            "def contributions(node: Node, g: Any, *, record: bool=False, oldest: float=-2) -> Iterator[tuple[Any, Any]]:",
            "no node has a negative age",
        ),
        (
            "engine/backprop.py",
            "_push",
            "plain = not (modes.active or create_graph) and oldest < 0",
            "plain = not (modes.active or create_graph) and oldest < 1",
            "where `oldest` is 0 no node is older, so the pass is not cut and gets -1",
        ),
        (
            "engine/backprop.py",
            "_push",
            "if plain and primitive.add_back and (x in owned) and (x._id < node._id):",
            "if False:",
            "speed: the plain rule gives the same numbers, in a new array",
        ),
        (
            "engine/backprop.py",
            "_push",
            "if contribution.base is None and contribution is not g:",
            "if False:",
            "speed: sums are made in new arrays, and a leaf's in a copy",
        ),
        (
            "engine/calculus.py",
            "_must_stay_recorded",
            "return False",
            "return None",
            "the callers ask for its truth only",
        ),
        (
            "engine/calculus.py",
            "_matrices",
            "inputs.like((_to_python_float(matrix if isinstance(matrix, Value) else matrix[()]) for matrix in stack))",
            "inputs.like((_to_python_float(matrix if False else matrix[()]) for matrix in stack))",
            "of a Value [()] is one node more, with the same numbers and gradients",
        ),
        (
            "engine/calculus.py",
            "_recorded.call",
            "if is_grad_enabled():",
            "if False:",
            "speed: `enable_grad` inside recording changes nothing",
        ),
        (
            "engine/calculus.py",
            "_pull",
            "found = backprop(output, seed, inputs=inputs.leaves, create_graph=record) if output.requires_grad else {}",
            "found = backprop(output, seed, inputs=inputs.leaves, create_graph=record) if True else {}",
            "backprop too answers {} there",
        ),
        (
            "engine/calculus.py",
            "jvp.along",
            "total: Any = 0.0",
            "total: Any = 1.0",
            "the sum is differentiated, and a constant has no part in that",
        ),
        (
            "engine/calculus.py",
            "hvp.slope",
            "total: Any = 0.0",
            "total: Any = 1.0",
            "the sum is differentiated, and a constant has no part in that",
        ),
        (
            "engine/calculus.py",
            "_Inputs.__init__",
            "for n, tree in zip(self.places, self.trees, strict=True):",
            "for n, tree in zip(self.places, self.trees):",
            "both lists have one entry for each place",
        ),
        (
            "engine/calculus.py",
            "_matrices",
            "for column, leaf in zip(columns, inputs.leaves, strict=True)",
            "for column, leaf in zip(columns, inputs.leaves)",
            "both have one entry for each leaf",
        ),
        (
            "engine/calculus.py",
            "jvp.along",
            "for gradient, slope in zip(_pull(output, u, inputs, record=True), slopes, strict=True):",
            "for gradient, slope in zip(_pull(output, u, inputs, record=True), slopes):",
            "both have one entry for each leaf",
        ),
        (
            "engine/calculus.py",
            "hvp.slope",
            "for gradient, tangent in zip(gradients, slopes, strict=True):",
            "for gradient, tangent in zip(gradients, slopes):",
            "both have one entry for each leaf",
        ),
        (
            "engine/calculus.py",
            "jvp",
            "Value(1.0, requires_grad=False) if record else 1.0 if type(total._data) is float else total.dtype.type(1)",
            "Value(1.0, requires_grad=False) if record else 1.0 if type(total._data) is not float else total.dtype.type(1)",
            "the number is the same, and each contribution takes the type of its operand",
        ),
        (
            "engine/calculus.py",
            "jvp",
            "Value(1.0, requires_grad=False) if record else 1.0 if type(total._data) is float else total.dtype.type(1)",
            "Value(1.0, requires_grad=False) if record else 1.0 if True else total.dtype.type(1)",
            "the number is the same, and each contribution takes the type of its operand",
        ),
        (
            "engine/calculus.py",
            "jvp",
            "Value(1.0, requires_grad=False) if record else 1.0 if type(total._data) is float else total.dtype.type(1)",
            "Value(1.0, requires_grad=False) if record else 1.0 if False else total.dtype.type(1)",
            "the number is the same, and each contribution takes the type of its operand",
        ),
        (
            "engine/backprop.py",
            "_push",
            "if operand in owned:",
            "if False:",
            "speed: sums are made in new arrays",
        ),
        (
            "engine/backprop.py",
            "fit",
            "if have == want and contribution.dtype is like.dtype:",
            "if False:",
            "speed: the rest of the function finds nothing to do",
        ),
        # engine/show
        # engine/prove
        # engine/command
        # nn
    )
]
