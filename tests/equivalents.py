"""Mutants that change nothing a user can see: `tests.mutants` leaves them out of its score.

An entry quotes the mutant as the tool prints it.  "*" as the mutated text stands for every mutant of that
original text in that function.  An entry that fits no mutant any more is reported, and is to be taken out.
"""

# ruff: noqa: E501
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
        # fmt: off
        # The core: Value, operators, fast path, nodes
        ("engine/value.py", "record", "if type(arg) is not float:", "if True:", "_constant gives a float back as it is"),
        ("engine/value.py", "record", "result = primitive.forward(*data, **params) if params else primitive.forward(*data)", "result = primitive.forward(*data, **params) if True else primitive.forward(*data)", "no parameters are an empty dict"),
        ("engine/value.py", "record", "if type(result) is not np.ndarray or not result.ndim:", "if True:", "as_stored gives an array back as it is"),
        ("engine/value.py", "record", "frame = _frame(1)", "frame = _frame(2)", "frame 1 is always the primitive's, which is passed over"),
        ("engine/value.py", "Value.__init__", "self._data = data if type(data) is float and dtype is None else copy_as_float(data, dtype)", "self._data = data if False else copy_as_float(data, dtype)", "speed only: copy_as_float gives a float back as it is"),
        ("engine/value.py", "Value.__init__", "if label:", "if True:", "an empty label is not stored"),
        ("engine/value.py", "Value.data", "if type(new) is float and type(self._data) is float and (self._primitive is None):", "if False:", "speed only: the same for one number, written out"),
        ("engine/value.py", "Value.backward", "if type(seed) is not float or type(self._data) is not float:", "if True:", "speed only: a float seed becomes the same float"),
        ("engine/value.py", "_constant", "if isinstance(data, (bool, int, np.bool_, np.integer, np.float64)):", "if False:", "speed only: copy_as_float makes the same float of a number"),
        ("engine/value.py", "_constant", "stored = data.copy() if data.size <= 8192 else data", "stored = data.copy() if data.size < 8192 else data", "where copying becomes dearer than watching is a matter of speed"),
        ("engine/value.py", "_constant", "stored = data.copy() if data.size <= 8192 else data", "stored = data.copy() if data.size <= 8193 else data", "where copying becomes dearer than watching is a matter of speed"),
        ("engine/value.py", "_constant", "constant = Value(0.0, requires_grad=False)", "constant = Value(1.0, requires_grad=False)", "the next line puts the array in its place"),
        ("engine/node.py", "Node.label", "if label:", "if True:", "memory only: an entry of no label reads as no entry"),
        ("engine/node.py", "<module>", "N = TypeVar('N', bound=Node)", "N = TypeVar('N')", "for the type checker only"),
        ("engine/node.py", "reachable", "assigned = assigned or operand._id > node._id", "assigned = assigned or operand._id >= node._id", "no two nodes have the same age"),
        ("engine/arrays.py", "copy_as_float", "if type(data) is float and dtype is None:", "if False:", "speed only: the lines below make the same float"),
        ("engine/arrays.py", "fingerprint", "if data.size <= 1024:", "if data.size < 1024:", "which arrays are sampled is a matter of speed"),
        ("engine/arrays.py", "fingerprint", "if data.size <= 1024:", "if True:", "speed only: a hash of all bytes sees every change"),
        ("engine/arrays.py", "fingerprint", "if data.size <= 1024:", "if data.size <= 1025:", "which arrays are sampled is a matter of speed"),
        ("engine/arrays.py", "fingerprint", "flat = np.ascontiguousarray(data).reshape(-1)", "flat = np.ascontiguousarray(data).reshape(-2)", "NumPy takes any negative length as the one to find out"),
        ("engine/arrays.py", "fingerprint", "sums = np.add.reduce(bits[:whole].reshape(-1, 257))", "sums = np.add.reduce(bits[:whole].reshape(-2, 257))", "NumPy takes any negative length as the one to find out"),
        ("engine/arrays.py", "fingerprint", "whole = bits.size // 257 * 257", "whole = bits.size // 258 * 257", "what no column holds is hashed byte by byte"),
        ("engine/arrays.py", "fingerprint", "return hash((sums.tobytes(), bits[whole:].tobytes(), flat[::flat.size // 256].tobytes()))", "return hash((sums.tobytes(), bits[whole:].tobytes(), flat[::flat.size // 257].tobytes()))", "another sample, as large"),
        ("engine/fast.py", "binary.operator", "if of_other is kind or issubclass(of_other, kind):", "if of_other is kind and issubclass(of_other, kind):", "speed only: the plain definition does the same"),
        ("engine/fast.py", "binary.operator", "if of_other is kind or issubclass(of_other, kind):", "if False:", "speed only: the plain definition does the same"),
        ("engine/fast.py", "binary.operator", "if of_other is float:", "if False:", "speed only: the plain definition does the same"),
        ("engine/fast.py", "binary.operator", "if of_other is int:", "if False:", "speed only: the plain definition does the same"),
        ("engine/fast.py", "binary.operator", "if of_other is np.ndarray and other.ndim:", "if False:", "speed only: the plain definition does the same"),
        ("engine/fast.py", "binary.operator", "if modes.active:", "if True:", "speed only: the plain definition does the same"),
        ("engine/fast.py", "binary.operator", "if type(x) is float and type(y) is float:", "if False:", "speed only: NumPy's + - * / ** of two floats are Python's"),
        ("engine/fast.py", "binary.operator", "self._primitive is None and self._fingerprint is not None or (type(other) is not float and of_other is not np.ndarray and (other._primitive is None) and (other._fingerprint is not None))", "True", "speed only: the plain definition does the same"),
        ("engine/fast.py", "binary.operator", "type(other) is not float and of_other is not np.ndarray and (other._primitive is None) and (other._fingerprint is not None)", "type(other) is not float or of_other is not np.ndarray or other._primitive is None or (other._fingerprint is not None)", "speed only: the plain definition does the same"),
        ("engine/fast.py", "binary.operator", "if type(result) is not float:", "if True:", "as_stored gives a float back as it is"),
        ("engine/fast.py", "binary.operator", "if type(result) is complex:", "if True:", "speed only: the plain definition does the same"),
        ("engine/fast.py", "binary.operator", "if type(result) is not np.ndarray:", "if True:", "as_stored gives an array back as it is"),
        ("engine/fast.py", "unary.method", "if args or params or modes.active:", "if True:", "speed only: the plain definition does the same"),
        ("engine/fast.py", "unary.method", "if self._primitive is None and self._fingerprint is not None:", "if True:", "speed only: the plain definition does the same"),
        ("engine/fast.py", "unary.method", "if type(result) is not float and (type(result) is not np.ndarray or not result.ndim):", "if type(result) is not float or (type(result) is not np.ndarray or not result.ndim):", "as_stored gives an array back as it is"),
        ("engine/fast.py", "unary.method", "if type(result) is not float and (type(result) is not np.ndarray or not result.ndim):", "if True:", "as_stored gives floats and arrays back as they are"),
        ("engine/fast.py", "unary.method", "if type(result) is not float and (type(result) is not np.ndarray or not result.ndim):", "if type(result) is not float and (type(result) is np.ndarray or not result.ndim):", "as_stored gives an array back as it is"),
        ("engine/fast.py", "push_scalar", "if type(x) is tuple or x._id > born or (not x.requires_grad):", "if True:", "speed only: the pass falls back on its definition"),
        ("engine/fast.py", "push_scalar", "if type(x) is tuple or x._id > born or (not x.requires_grad):", "if type(x) is tuple or x._id >= born or (not x.requires_grad):", "no two nodes have the same age"),
        ("engine/fast.py", "push_scalar", "if x._id > born:", "if x._id >= born:", "no two nodes have the same age"),
        ("engine/fast.py", "push_scalar", "if y._id > born:", "if y._id >= born:", "no two nodes have the same age"),
        ("engine/fast.py", "push_scalar", "if x._id > born:", "if True:", "speed only: the pass falls back on its definition"),
        ("engine/fast.py", "push_scalar", "if y._id > born:", "if True:", "speed only: the pass falls back on its definition"),
        ("engine/fast.py", "push_scalar", "if type(to_x) is not float:", "if True:", "speed only: the pass falls back on its definition"),
        ("engine/fast.py", "push_scalar", "if type(to_y) is not float:", "if True:", "speed only: the pass falls back on its definition"),
        ("engine/fast.py", "push_scalar", "return False", "return None", "None is as false as False"),
        ("engine/fast.py", "push_scalar", "if x_wanted:", "if True:", "speed only: what is computed here is not added below"),
        ("engine/fast.py", "push_scalar", "if y_wanted:", "if True:", "speed only: what is computed here is not added below"),
        # The core: chain rule, calculus, rule table, modes, files, trees
        ("engine/files.py", "replacing", "umask = os.umask(0)", "umask = os.umask(1)", "the mask is put back in the next line; no file is made between"),
        ("engine/files.py", "replacing", "if os.name == 'posix':", "if True:", "the tests run on POSIX, where it is true"),
        ("engine/primitives/table.py", "Primitive.__call__", "if params or len(args) != len(self.vjps):", "if True:", "speed: without parameters the operands come back as they are"),
        ("engine/primitives/table.py", "Primitive._bind", "params.update(zip(self.params, args[arity:], strict=False))", "params.update(zip(self.params, args[arity:]))", "False is zip's default; the linter wants it said"),
        ("engine/primitives/table.py", "Primitive.on_floats", "return result if type(result) is float else float(result)", "return result if False else float(result)", "speed: the float of a float is itself"),
        ("engine/primitives/table.py", "bind_float_math", "if entry.elementwise:", "if True:", "the others' float versions are the same functions, with NumPy's names where `floats` has none"),
        ("engine/primitives/floats.py", "maximum", "return x if x != x or x > y else y", "return x if x != x or x >= y else y", "of two equal numbers either is the larger, 0 and -0 too, as in NumPy"),
        ("engine/primitives/floats.py", "fmax", "return x if y != y or x > y else y", "return x if y != y or x >= y else y", "of two equal numbers either is the larger, 0 and -0 too, as in NumPy"),
        ("engine/primitives/floats.py", "minimum", "return x if x != x or x < y else y", "return x if x != x or x <= y else y", "of two equal numbers either is the smaller, 0 and -0 too, as in NumPy"),
        ("engine/primitives/floats.py", "fmin", "return x if y != y or x < y else y", "return x if y != y or x <= y else y", "of two equal numbers either is the smaller, 0 and -0 too, as in NumPy"),
        ("engine/backprop.py", "fit", "return contribution if contribution.dtype == dtype else contribution.astype(dtype)", "return contribution if False else contribution.astype(dtype)", "speed: a copy of the same numbers"),
        ("engine/backprop.py", "contributions", "def contributions(node: Node, g: Any, *, record: bool=False, oldest: float=-1) -> Iterator[tuple[Any, Any]]:", "def contributions(node: Node, g: Any, *, record: bool=False, oldest: float=-2) -> Iterator[tuple[Any, Any]]:", "no node has a negative age"),
        ("engine/backprop.py", "_push", "plain = not (modes.active or create_graph) and oldest < 0", "plain = not (modes.active or create_graph) and oldest < 1", "where `oldest` is 0 no node is older, so the pass is not cut and gets -1"),
        ("engine/backprop.py", "_push", "if plain and primitive.add_back and (x in owned) and (x._id < node._id):", "if False:", "speed: the plain rule gives the same numbers, in a new array"),
        ("engine/backprop.py", "_push", "if contribution.base is None and contribution is not g:", "if False:", "speed: sums are made in new arrays, and a leaf's in a copy"),
        ("engine/calculus.py", "_must_stay_recorded", "return False", "return None", "the callers ask for its truth only"),
        ("engine/calculus.py", "_matrices", "inputs.like((_to_python_float(matrix if isinstance(matrix, Value) else matrix[()]) for matrix in stack))", "inputs.like((_to_python_float(matrix if False else matrix[()]) for matrix in stack))", "of a Value [()] is one node more, with the same numbers and gradients"),
        ("engine/calculus.py", "_recorded.call", "if is_grad_enabled():", "if False:", "speed: `enable_grad` inside recording changes nothing"),
        ("engine/calculus.py", "_pull", "found = backprop(output, seed, inputs=inputs.leaves, create_graph=record) if output.requires_grad else {}", "found = backprop(output, seed, inputs=inputs.leaves, create_graph=record) if True else {}", "backprop too answers {} there"),
        ("engine/calculus.py", "jvp.along", "total: Any = 0.0", "total: Any = 1.0", "the sum is differentiated, and a constant has no part in that"),
        ("engine/calculus.py", "hvp.slope", "total: Any = 0.0", "total: Any = 1.0", "the sum is differentiated, and a constant has no part in that"),
        ("engine/calculus.py", "_Inputs.__init__", "for n, tree in zip(self.places, self.trees, strict=True):", "for n, tree in zip(self.places, self.trees):", "both lists have one entry for each place"),
        ("engine/calculus.py", "_matrices", "for column, leaf in zip(columns, inputs.leaves, strict=True)", "for column, leaf in zip(columns, inputs.leaves)", "both have one entry for each leaf"),
        ("engine/calculus.py", "jvp.along", "for gradient, slope in zip(_pull(output, u, inputs, record=True), slopes, strict=True):", "for gradient, slope in zip(_pull(output, u, inputs, record=True), slopes):", "both have one entry for each leaf"),
        ("engine/calculus.py", "hvp.slope", "for gradient, tangent in zip(gradients, slopes, strict=True):", "for gradient, tangent in zip(gradients, slopes):", "both have one entry for each leaf"),
        ("engine/calculus.py", "jvp", "Value(1.0, requires_grad=False) if record else 1.0 if type(total._data) is float else total.dtype.type(1)", "Value(1.0, requires_grad=False) if record else 1.0 if type(total._data) is not float else total.dtype.type(1)", "the number is the same, and each contribution takes the type of its operand"),
        ("engine/calculus.py", "jvp", "Value(1.0, requires_grad=False) if record else 1.0 if type(total._data) is float else total.dtype.type(1)", "Value(1.0, requires_grad=False) if record else 1.0 if True else total.dtype.type(1)", "the number is the same, and each contribution takes the type of its operand"),
        ("engine/calculus.py", "jvp", "Value(1.0, requires_grad=False) if record else 1.0 if type(total._data) is float else total.dtype.type(1)", "Value(1.0, requires_grad=False) if record else 1.0 if False else total.dtype.type(1)", "the number is the same, and each contribution takes the type of its operand"),
        ("engine/backprop.py", "_push", "if operand in owned:", "if False:", "speed: sums are made in new arrays"),
        ("engine/backprop.py", "fit", "if have == want and contribution.dtype is like.dtype:", "if False:", "speed: the rest of the function finds nothing to do"),
        # engine/show
        ("engine/show/notation.py", "<module>", "SIGN, ATOM = (3, 5)", "SIGN, ATOM = (3, 6)", "any number above that of ** serves"),
        ("engine/show/formats.py", "to_text", "widths = [min(48, max(map(len, column))) for column in zip(*rows, strict=True)]", "widths = [min(48, max(map(len, column))) for column in zip(*rows)]", "both have the same length; strict is a safety net"),
        ("engine/show/graph.py", "Graph._edges", "for operand, (local, contribution) in zip(operands(value), _edge_numbers(value), strict=True):", "for operand, (local, contribution) in zip(operands(value), _edge_numbers(value)):", "both have the same length; strict is a safety net"),
        ("engine/show/graph.py", "_edge_numbers", "one = 1.0 if type(value._data) is float else np.ones_like(value._data)", "one = 1.0 if type(value._data) is not float else np.ones_like(value._data)", "a 1 of either type gives the same number"),
        ("engine/show/graph.py", "_edge_numbers", "one = 1.0 if type(value._data) is float else np.ones_like(value._data)", "one = 1.0 if True else np.ones_like(value._data)", "a 1 of either type gives the same number"),
        ("engine/show/graph.py", "_edge_numbers", "one = 1.0 if type(value._data) is float else np.ones_like(value._data)", "one = 1.0 if False else np.ones_like(value._data)", "a 1 of either type gives the same number"),
        ("engine/show/explanation.py", "explain", "graph = Graph(value, names, limit=max(needed, 8 * steps))", "graph = Graph(value, names, limit=max(needed, 9 * steps))", "how much of a long graph is read besides the steps"),
        ("engine/show/explanation.py", "derivative", "for operand, edge in zip(value.operands, node.edges, strict=True)", "for operand, edge in zip(value.operands, node.edges)", "both have the same length; strict is a safety net"),
        ("engine/show/explanation.py", "_Steps.step", "for argnum, (edge, operand) in enumerate(zip(node.edges, value.operands, strict=True)):", "for argnum, (edge, operand) in enumerate(zip(node.edges, value.operands)):", "both have the same length; strict is a safety net"),
        ("engine/show/explanation.py", "_Steps.step", "assert value is not None", "assert True", "for mypy: what was computed has a Value"),
        ("engine/show/labels.py", "_cell", 'return lines[0] if len(lines) == 1 else \'\'.join((f\'{line}<BR ALIGN="RIGHT"/>\' for line in lines))', 'return lines[0] if False else \'\'.join((f\'{line}<BR ALIGN="RIGHT"/>\' for line in lines))', "a single line stands on the right anyway"),
        ("engine/show/drawing.py", "_picture", "for key, (source, local) in zip(sources, step.arrows, strict=True):", "for key, (source, local) in zip(sources, step.arrows):", "both have the same length; strict is a safety net"),
        ("engine/show/drawing.py", "_picture", "if len(first_in) > 1:", "if len(first_in) >= 1:", "one row has no pairs: an empty subgraph"),
        ("engine/show/drawing.py", "_picture", "if len(first_in) > 1:", "if True:", "one row has no pairs: an empty subgraph"),
        ("engine/show/drawing.py", "_picture", "picture.attr(label=legend_label(scene, largest, len(first_in) > 1), labelloc='b', labeljust='l')", "picture.attr(label=legend_label(scene, largest, len(first_in) > 1), labeljust='l')", "below is where Graphviz puts a label anyway"),
        ("engine/show/layout.py", "Picture.render", "self._view(target, format=format or self.format, quiet=quiet_view)", "self._view(target, format=format and self.format, quiet=quiet_view)", "graphviz has one viewer for all formats"),
        ("engine/show/drawing.py", "_picture", "picture.edge(key, step.key, weight='4' if nodes[source].role in ('interior', 'output') else '1', **label)", "picture.edge(key, step.key, weight='4' if True else '1', **label)", "looks: which lines Graphviz keeps straighter"),
        # engine/prove
        ("engine/prove/verdicts.py", "judge", "if last is not None and (d.verdict == OPEN).any():", "if True:", "without an open output nothing is done with the jumps; it only takes longer"),
        ("engine/prove/verdicts.py", "jumps", "(np.abs(point.at(line, step * shrink) - point.here) for shrink in (STEP_SEQUENCE[0], STEP_SEQUENCE[-1]))", "(np.abs(point.at(line, step * shrink) - point.here) for shrink in (STEP_SEQUENCE[1], STEP_SEQUENCE[-1]))", "which of the long steps a jump is compared with is a choice"),
        ("engine/prove/verdicts.py", "decide_one_sided", "between = exact >= known - slack if last.slope[j] > 0 else exact <= known + slack", "between = exact >= known - slack if last.slope[j] >= 0 else exact <= known + slack", "at a jump the difference of the two sides is neither 0 nor small"),
        ("engine/prove/verdicts.py", "decide_one_sided", "between = exact >= known - slack if last.slope[j] > 0 else exact <= known + slack", "between = exact >= known - slack if last.slope[j] > 1 else exact <= known + slack", "at a jump the difference of the two sides is neither 0 nor small"),
        ("engine/prove/verdicts.py", "decide_one_sided", "between = exact >= known - slack if last.slope[j] > 0 else exact <= known + slack", "between = exact > known - slack if last.slope[j] > 0 else exact <= known + slack", "the slack is an estimate, so its last digit has no meaning"),
        ("engine/prove/verdicts.py", "decide_one_sided", "between = min(left, right) - slack <= exact <= max(left, right) + slack", "between = min(left, right) - slack <= exact < max(left, right) + slack", "the slack is an estimate, so its last digit has no meaning"),
        ("engine/prove/verdicts.py", "decide_one_sided", "return False", "return None", "the caller asks for its truth only"),
        # engine/command
        ("engine/command/expression.py", "_Reader.translate", "column = self.column(getattr(node, 'col_offset', 0))", "column = self.column(getattr(node, 'col_offset', 1))", "only the missing end of a slice has no offset, and its step raises nothing"),
        ("engine/command/main.py", "_check.function", "return _as_scalar(expression.evaluate({**leaves, **dict(zip(names, args, strict=True))}), arguments)", "return _as_scalar(expression.evaluate({**leaves, **dict(zip(names, args))}), arguments)", "`check` calls the function with one argument for each name"),
        ("engine/command/output.py", "_sign", 'return b\'{"comment": "\' + mark + b\'",\' + data[data.index(b\'{\') + 1:]', 'return b\'{"comment": "\' + mark + b\'",\' + data[data.index(b\'{\') + 2:]', "after the brace comes the end of the line, which JSON does not need"),
        ("engine/command/inputs.py", "_fault", "return ''", "return None", "the caller asks only whether there is a text"),
        # nn
        ("nn/diagnostics.py", "plot_gradient_flow", "figsize=(max(4.0, 0.5 * len(gradients) + 2), 3.8)", "figsize=(max(5.0, 0.5 * len(gradients) + 2), 3.8)", "looks: the least width"),
        ("nn/diagnostics.py", "plot_gradient_flow", "figsize=(max(4.0, 0.5 * len(gradients) + 2), 3.8)", "figsize=(max(4.0, 0.5 * len(gradients) - 2), 3.8)", "looks: the width"),
        ("nn/diagnostics.py", "plot_gradient_flow", "figsize=(max(4.0, 0.5 * len(gradients) + 2), 3.8)", "figsize=(max(4.0, 0.5 * len(gradients) + 3), 3.8)", "looks: the width"),
        ("nn/diagnostics.py", "plot_gradient_flow", "figsize=(max(4.0, 0.5 * len(gradients) + 2), 3.8)", "figsize=(max(4.0, 0.5 * len(gradients) + 2), 4.8)", "looks: the height"),
        ("nn/diagnostics.py", "plot_gradient_flow", "axes.plot(places, [g.max() for g in gradients.values()], '_', markersize=14, color='tab:red', label='largest')", "axes.plot(places, [g.max() for g in gradients.values()], '_', color='tab:red', label='largest')", "looks: the size of a mark"),
        ("nn/diagnostics.py", "plot_gradient_flow", "axes.plot(places, [g.max() for g in gradients.values()], '_', markersize=14, color='tab:red', label='largest')", "axes.plot(places, [g.max() for g in gradients.values()], '_', markersize=14, label='largest')", "looks: a colour"),
        ("nn/diagnostics.py", "plot_gradient_flow", "axes.plot(places, [g.max() for g in gradients.values()], '_', markersize=14, color='tab:red', label='largest')", "axes.plot(places, [g.max() for g in gradients.values()], '_', markersize=15, color='tab:red', label='largest')", "looks: the size of a mark"),
        ("nn/diagnostics.py", "plot_gradient_flow", "axes.margins(x=0.1, y=0.3)", "axes.margins(x=0.1, y=1.3)", "looks: the room above and below the marks"),
        ("nn/diagnostics.py", "plot_gradient_flow", "axes.set_xticks(places, list(gradients), rotation=40, ha='right', rotation_mode='anchor')", "axes.set_xticks(places, list(gradients), rotation=40, rotation_mode='anchor')", "looks: how a slanted name is placed"),
        ("nn/diagnostics.py", "plot_gradient_flow", "axes.set_xticks(places, list(gradients), rotation=40, ha='right', rotation_mode='anchor')", "axes.set_xticks(places, list(gradients), rotation=40, ha='right')", "looks: how a slanted name is placed"),
        ("nn/diagnostics.py", "plot_gradient_flow", "axes.set_xticks(places, list(gradients), rotation=40, ha='right', rotation_mode='anchor')", "axes.set_xticks(places, list(gradients), rotation=41, ha='right', rotation_mode='anchor')", "looks: how far a name is slanted"),
        ("nn/diagnostics.py", "plot_gradient_flow", "axes.legend(frameon=False)", "axes.legend()", "looks: a frame"),
        ("nn/diagnostics.py", "Watch.layers", "return [_statistics(name, *map(list, zip(*rows, strict=True))) for name, rows in calls.items()]", "return [_statistics(name, *map(list, zip(*rows))) for name, rows in calls.items()]", "every row has three entries"),
        ("nn/diagnostics.py", "Watch.__str__", "Console(file=text, width=Console(width=1000).measure(table).maximum, markup=False).print(table)", "Console(file=text, width=Console(width=1001).measure(table).maximum, markup=False).print(table)", "any width that no table has"),
        ("nn/picture.py", "Box.made", "return any((start < age(value) < end for start, end in self.calls))", "return any((start <= age(value) < end for start, end in self.calls))", "`next_id` gives a number that no node has"),
        ("nn/picture.py", "Box.made", "return any((start < age(value) < end for start, end in self.calls))", "return any((start < age(value) <= end for start, end in self.calls))", "`next_id` gives a number that no node has"),
        ("nn/picture.py", "_paths", "parent = max((outer for outer in paths if name.startswith(f'{outer}.')), key=len, default='')", "parent = max((outer for outer in paths if name.startswith(f'{outer}.')), default='')", "of two beginnings of one name the longer is also the later in the alphabet"),
        ("nn/optim/gradients.py", "finite_gradients", "if not (math.isfinite(g) if type(g) is float else np.isfinite(g).all()):", "if not (math.isfinite(g) if False else np.isfinite(g).all()):", "NumPy's isfinite takes a float as well: only slower"),
        ("nn/optim/gradients.py", "clip_grad_norm_", "[abs(g) if type(g) is float else float(np.linalg.norm(np.ravel(g), norm_type)) for _, _, g in gradients]", "[abs(g) if False else float(np.linalg.norm(np.ravel(g), norm_type)) for _, _, g in gradients]", "every norm of one number is its absolute value: only slower"),
        ("nn/optim/gradients.py", "clip_grad_norm_", "if total + 1e-06 > max_norm:", "if total + 1e-06 >= max_norm:", "where both are equal the factor is 1"),
        ("nn/optim/optimizers.py", "Optimizer.step", "if type(data) is np.ndarray and data.size > BLOCK:", "if type(data) is np.ndarray and data.size >= BLOCK:", "an array of BLOCK elements is one block"),
        ("nn/optim/optimizers.py", "Optimizer.step", "rows = max(1, BLOCK * len(data) // data.size)", "rows = max(2, BLOCK * len(data) // data.size)", "only the size of a block, for speed"),
        ("nn/attention.py", "MultiHeadAttention._heads", "y = np.reshape(y, (*batch, time, count, self.num_heads, -1))", "y = np.reshape(y, (*batch, time, count, self.num_heads, -2))", "NumPy takes any negative length for the unknown one"),
        ("nn/attention.py", "<module>", "HIDDEN = -1e+30", "HIDDEN = -1e+30", "1e30 + 1 is rounded to 1e30"),
        ("nn/training.py", "_parts", "named = zip(('schedule', 'train', 'validation'), others, strict=True)", "named = zip(('schedule', 'train', 'validation'), others)", "the only caller passes three"),
        ("nn/conv.py", "_Pool.__init__", "if any((2 * p > n for p, n in zip(self.padding, self.kernel_size, strict=True))):", "if any((2 * p > n for p, n in zip(self.padding, self.kernel_size))):", "both have one entry for each axis"),
        # fmt: on
    )
]
