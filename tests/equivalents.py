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
        ("engine/show/notation.py", "<module>", "SIGN, ATOM = (3, 5)", "SIGN, ATOM = (3, 6)", "any number above that of ** serves"),
        (
            "engine/show/formats.py",
            "to_text",
            "widths = [min(48, max(map(len, column))) for column in zip(*rows, strict=True)]",
            "widths = [min(48, max(map(len, column))) for column in zip(*rows)]",
            "both have the same length; strict is a safety net",
        ),
        (
            "engine/show/graph.py",
            "Graph._edges",
            "for operand, (local, contribution) in zip(operands(value), _edge_numbers(value), strict=True):",
            "for operand, (local, contribution) in zip(operands(value), _edge_numbers(value)):",
            "both have the same length; strict is a safety net",
        ),
        (
            "engine/show/graph.py",
            "_edge_numbers",
            "one = 1.0 if type(value._data) is float else np.ones_like(value._data)",
            "one = 1.0 if type(value._data) is not float else np.ones_like(value._data)",
            "a 1 of either type gives the same number",
        ),
        (
            "engine/show/graph.py",
            "_edge_numbers",
            "one = 1.0 if type(value._data) is float else np.ones_like(value._data)",
            "one = 1.0 if True else np.ones_like(value._data)",
            "a 1 of either type gives the same number",
        ),
        (
            "engine/show/graph.py",
            "_edge_numbers",
            "one = 1.0 if type(value._data) is float else np.ones_like(value._data)",
            "one = 1.0 if False else np.ones_like(value._data)",
            "a 1 of either type gives the same number",
        ),
        (
            "engine/show/explanation.py",
            "explain",
            "graph = Graph(value, names, limit=max(needed, 8 * steps))",
            "graph = Graph(value, names, limit=max(needed, 9 * steps))",
            "how much of a long graph is read besides the steps",
        ),
        (
            "engine/show/explanation.py",
            "derivative",
            "for operand, edge in zip(value.operands, node.edges, strict=True)",
            "for operand, edge in zip(value.operands, node.edges)",
            "both have the same length; strict is a safety net",
        ),
        (
            "engine/show/explanation.py",
            "_Steps.step",
            "for argnum, (edge, operand) in enumerate(zip(node.edges, value.operands, strict=True)):",
            "for argnum, (edge, operand) in enumerate(zip(node.edges, value.operands)):",
            "both have the same length; strict is a safety net",
        ),
        ("engine/show/explanation.py", "_Steps.step", "assert value is not None", "assert True", "for mypy: what was computed has a Value"),
        (
            "engine/show/labels.py",
            "_cell",
            "return lines[0] if len(lines) == 1 else ''.join((f'{line}<BR ALIGN=\"RIGHT\"/>' for line in lines))",
            "return lines[0] if False else ''.join((f'{line}<BR ALIGN=\"RIGHT\"/>' for line in lines))",
            "a single line stands on the right anyway",
        ),
        (
            "engine/show/drawing.py",
            "_picture",
            "for key, (source, local) in zip(sources, step.arrows, strict=True):",
            "for key, (source, local) in zip(sources, step.arrows):",
            "both have the same length; strict is a safety net",
        ),
        (
            "engine/show/drawing.py",
            "_picture",
            "if len(first_in) > 1:",
            "if len(first_in) >= 1:",
            "one row has no pairs: an empty subgraph",
        ),
        ("engine/show/drawing.py", "_picture", "if len(first_in) > 1:", "if True:", "one row has no pairs: an empty subgraph"),
        (
            "engine/show/drawing.py",
            "_picture",
            "picture.attr(label=legend_label(scene, largest, len(first_in) > 1), labelloc='b', labeljust='l')",
            "picture.attr(label=legend_label(scene, largest, len(first_in) > 1), labeljust='l')",
            "below is where Graphviz puts a label anyway",
        ),
        (
            "engine/show/layout.py",
            "Picture.render",
            "self._view(target, format=format or self.format, quiet=quiet_view)",
            "self._view(target, format=format and self.format, quiet=quiet_view)",
            "graphviz has one viewer for all formats",
        ),
        (
            "engine/show/drawing.py",
            "_picture",
            "picture.edge(key, step.key, weight='4' if nodes[source].role in ('interior', 'output') else '1', **label)",
            "picture.edge(key, step.key, weight='4' if True else '1', **label)",
            "looks: which lines Graphviz keeps straighter",
        ),
        # engine/prove
        # engine/command
        # nn
    )
]
