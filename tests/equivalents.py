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
        # engine/prove
        # engine/command
        (
            "engine/command/expression.py",
            "_Reader.translate",
            "column = self.column(getattr(node, 'col_offset', 0))",
            "column = self.column(getattr(node, 'col_offset', 1))",
            "only the missing end of a slice has no offset, and its step raises nothing",
        ),
        (
            "engine/command/main.py",
            "_check.function",
            "return _as_scalar(expression.evaluate({**leaves, **dict(zip(names, args, strict=True))}), arguments)",
            "return _as_scalar(expression.evaluate({**leaves, **dict(zip(names, args))}), arguments)",
            "`check` calls the function with one argument for each name",
        ),
        (
            "engine/command/output.py",
            "_sign",
            "return b'{\"comment\": \"' + mark + b'\",' + data[data.index(b'{') + 1:]",
            "return b'{\"comment\": \"' + mark + b'\",' + data[data.index(b'{') + 2:]",
            "after the brace comes the end of the line, which JSON does not need",
        ),
        ("engine/command/inputs.py", "_fault", "return ''", "return None", "the caller asks only whether there is a text"),
        # nn
        (
            "nn/diagnostics.py",
            "plot_gradient_flow",
            "figsize=(max(4.0, 0.5 * len(gradients) + 2), 3.8)",
            "figsize=(max(5.0, 0.5 * len(gradients) + 2), 3.8)",
            "looks: the least width",
        ),
        (
            "nn/diagnostics.py",
            "plot_gradient_flow",
            "figsize=(max(4.0, 0.5 * len(gradients) + 2), 3.8)",
            "figsize=(max(4.0, 0.5 * len(gradients) - 2), 3.8)",
            "looks: the width",
        ),
        (
            "nn/diagnostics.py",
            "plot_gradient_flow",
            "figsize=(max(4.0, 0.5 * len(gradients) + 2), 3.8)",
            "figsize=(max(4.0, 0.5 * len(gradients) + 3), 3.8)",
            "looks: the width",
        ),
        (
            "nn/diagnostics.py",
            "plot_gradient_flow",
            "figsize=(max(4.0, 0.5 * len(gradients) + 2), 3.8)",
            "figsize=(max(4.0, 0.5 * len(gradients) + 2), 4.8)",
            "looks: the height",
        ),
        (
            "nn/diagnostics.py",
            "plot_gradient_flow",
            "axes.plot(places, [g.max() for g in gradients.values()], '_', markersize=14, color='tab:red', label='largest')",
            "axes.plot(places, [g.max() for g in gradients.values()], '_', color='tab:red', label='largest')",
            "looks: the size of a mark",
        ),
        (
            "nn/diagnostics.py",
            "plot_gradient_flow",
            "axes.plot(places, [g.max() for g in gradients.values()], '_', markersize=14, color='tab:red', label='largest')",
            "axes.plot(places, [g.max() for g in gradients.values()], '_', markersize=14, label='largest')",
            "looks: a colour",
        ),
        (
            "nn/diagnostics.py",
            "plot_gradient_flow",
            "axes.plot(places, [g.max() for g in gradients.values()], '_', markersize=14, color='tab:red', label='largest')",
            "axes.plot(places, [g.max() for g in gradients.values()], '_', markersize=15, color='tab:red', label='largest')",
            "looks: the size of a mark",
        ),
        (
            "nn/diagnostics.py",
            "plot_gradient_flow",
            "axes.margins(x=0.1, y=0.3)",
            "axes.margins(x=0.1, y=1.3)",
            "looks: the room above and below the marks",
        ),
        (
            "nn/diagnostics.py",
            "plot_gradient_flow",
            "axes.set_xticks(places, list(gradients), rotation=40, ha='right', rotation_mode='anchor')",
            "axes.set_xticks(places, list(gradients), rotation=40, rotation_mode='anchor')",
            "looks: how a slanted name is placed",
        ),
        (
            "nn/diagnostics.py",
            "plot_gradient_flow",
            "axes.set_xticks(places, list(gradients), rotation=40, ha='right', rotation_mode='anchor')",
            "axes.set_xticks(places, list(gradients), rotation=40, ha='right')",
            "looks: how a slanted name is placed",
        ),
        (
            "nn/diagnostics.py",
            "plot_gradient_flow",
            "axes.set_xticks(places, list(gradients), rotation=40, ha='right', rotation_mode='anchor')",
            "axes.set_xticks(places, list(gradients), rotation=41, ha='right', rotation_mode='anchor')",
            "looks: how far a name is slanted",
        ),
        ("nn/diagnostics.py", "plot_gradient_flow", "axes.legend(frameon=False)", "axes.legend()", "looks: a frame"),
        (
            "nn/diagnostics.py",
            "Watch.layers",
            "return [_statistics(name, *map(list, zip(*rows, strict=True))) for name, rows in calls.items()]",
            "return [_statistics(name, *map(list, zip(*rows))) for name, rows in calls.items()]",
            "every row has three entries",
        ),
        (
            "nn/diagnostics.py",
            "Watch.__str__",
            "Console(file=text, width=Console(width=1000).measure(table).maximum, markup=False).print(table)",
            "Console(file=text, width=Console(width=1001).measure(table).maximum, markup=False).print(table)",
            "any width that no table has",
        ),
        (
            "nn/picture.py",
            "Box.made",
            "return any((start < age(value) < end for start, end in self.calls))",
            "return any((start <= age(value) < end for start, end in self.calls))",
            "`next_id` gives a number that no node has",
        ),
        (
            "nn/picture.py",
            "Box.made",
            "return any((start < age(value) < end for start, end in self.calls))",
            "return any((start < age(value) <= end for start, end in self.calls))",
            "`next_id` gives a number that no node has",
        ),
        (
            "nn/picture.py",
            "_paths",
            "parent = max((outer for outer in paths if name.startswith(f'{outer}.')), key=len, default='')",
            "parent = max((outer for outer in paths if name.startswith(f'{outer}.')), default='')",
            "of two beginnings of one name the longer is also the later in the alphabet",
        ),
        (
            "nn/optim/gradients.py",
            "finite_gradients",
            "if not (math.isfinite(g) if type(g) is float else np.isfinite(g).all()):",
            "if not (math.isfinite(g) if False else np.isfinite(g).all()):",
            "NumPy's isfinite takes a float as well: only slower",
        ),
        (
            "nn/optim/gradients.py",
            "clip_grad_norm_",
            "[abs(g) if type(g) is float else float(np.linalg.norm(np.ravel(g), norm_type)) for _, _, g in gradients]",
            "[abs(g) if False else float(np.linalg.norm(np.ravel(g), norm_type)) for _, _, g in gradients]",
            "every norm of one number is its absolute value: only slower",
        ),
        (
            "nn/optim/gradients.py",
            "clip_grad_norm_",
            "if total + 1e-06 > max_norm:",
            "if total + 1e-06 >= max_norm:",
            "where both are equal the factor is 1",
        ),
        (
            "nn/optim/optimizers.py",
            "Optimizer.step",
            "if type(data) is np.ndarray and data.size > BLOCK:",
            "if type(data) is np.ndarray and data.size >= BLOCK:",
            "an array of BLOCK elements is one block",
        ),
        (
            "nn/optim/optimizers.py",
            "Optimizer.step",
            "rows = max(1, BLOCK * len(data) // data.size)",
            "rows = max(2, BLOCK * len(data) // data.size)",
            "only the size of a block, for speed",
        ),
        (
            "nn/attention.py",
            "MultiHeadAttention._heads",
            "y = np.reshape(y, (*batch, time, count, self.num_heads, -1))",
            "y = np.reshape(y, (*batch, time, count, self.num_heads, -2))",
            "NumPy takes any negative length for the unknown one",
        ),
        ("nn/attention.py", "<module>", "HIDDEN = -1e+30", "HIDDEN = -1e+30", "1e30 + 1 is rounded to 1e30"),
        (
            "nn/training.py",
            "_parts",
            "named = zip(('schedule', 'train', 'validation'), others, strict=True)",
            "named = zip(('schedule', 'train', 'validation'), others)",
            "the only caller passes three",
        ),
        (
            "nn/conv.py",
            "_Pool.__init__",
            "if any((2 * p > n for p, n in zip(self.padding, self.kernel_size, strict=True))):",
            "if any((2 * p > n for p, n in zip(self.padding, self.kernel_size))):",
            "both have one entry for each axis",
        ),
    )
]
