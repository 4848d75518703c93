"""The mutation score of the code around the rules: change one place of the source, and see whether a test fails.

    python -m tests.mutants                            # some hundred mutants: a sample from each file
    python -m tests.mutants engine/show nn/optim.py    # of these files and folders only
    python -m tests.mutants nn/optim.py --all          # every mutant, not a sample
    python -m tests.mutants nn/optim.py --list         # print the mutants, run nothing

`tests.changes` lists what a mutant changes.  The rules of the table have `tests.mutation` for themselves.

The tests of a file are those of its mirror: for `engine/show/drawing.py`, `tests/show/test_drawing.py` first and then the rest of
`tests/show`; for `engine/backprop.py`, `tests/core`.  A mutant is *caught* when a test fails, when the run breaks off, or when the run
takes longer than its limit.  It *survives* when all tests pass.  The score of a file is the share of its mutants that are caught, those of
`tests.equivalents` left out.

No file on disk is changed.  This process loads NumPy, hypothesis and pytest once, and forks for each mutant; the child process puts
the changed code in the place of one module before anything imports that module (`tests/hook`).
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import marshal
import os
import resource
import runpy
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from tests import ROOT
from tests.changes import Mutant, Source
from tests.equivalents import EQUIVALENT, Equivalent

GOAL = 0.95  # the least score of a file
MEMORY = 8 << 30  # bytes of address space that a run may take
HOOK = Path(__file__).parent / "hook" / "sitecustomize.py"
PRELOADED = (
    "numpy",
    "hypothesis",
    "hypothesis.extra.numpy",
    "pytest",
    "rich.console",
    "rich.table",
    "graphviz",
    "pygraphviz",
    "safetensors",
)


# ── which mutants, which tests ────────────────────────────────────────────────


def files(root: Path, wanted: list[str]) -> list[str]:
    """The source files asked for, by their paths from the root; without any, every file that has mutants of its own."""
    found = []
    for name in wanted or ("engine", "nn"):
        path = root / name
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path.resolve(strict=True)]
    rules = root / "engine" / "primitives"
    kept = [path for path in found if wanted or path.parent != rules or path.name in ("table.py", "floats.py")]
    return [path.relative_to(root).as_posix() for path in kept]


def tests_of(root: Path, file: str) -> list[str]:
    """The tests of a source file, those that bear its name first."""
    top, *inner, name = Path(file).parts
    room = "nn" if top == "nn" else inner[0] if inner and inner[0] != "primitives" else "command" if name == "__main__.py" else "core"
    paths = [path.relative_to(root).as_posix() for path in (root / "tests" / room).glob("test_*.py")]
    stem = Path(file).stem
    return sorted(paths, key=lambda path: (not Path(path).stem.startswith(f"test_{stem}"), path))


def sample(mutants: list[Mutant], count: int) -> list[Mutant]:
    """The same mutants at every run, wherever in the file they stand."""
    return sorted(sorted(mutants, key=lambda mutant: mutant.rank)[:count], key=lambda mutant: mutant.number)


# ── running ───────────────────────────────────────────────────────────────────


class Run(NamedTuple):
    """One run of the tests of a file, with a mutant or (None) without."""

    source: Source
    mutant: Mutant | None
    tests: list[str]
    limit: float  # seconds


class Child(NamedTuple):
    """A run under way in a process of its own."""

    run: Run
    scratch: Path  # its temporary files
    start: float


class Verdict(NamedTuple):
    run: Run
    caught: str  # how: "failed", "broke off", "too slow"; "" for a survivor
    seconds: float
    output: str


def become(run: Run, root: Path, scratch: Path) -> int:
    """In the child process: import the project with the mutant in it, and run the tests."""
    os.setsid()  # a process group, so that what the tests start can be ended with them
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    output = os.open(scratch / "output", os.O_WRONLY | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = scratch / "code"
    code.write_bytes(marshal.dumps(run.source.code(run.mutant)))
    paths = os.pathsep.join((str(HOOK.parent), str(root)))
    os.environ |= {"MUTANT_MODULE": run.source.module, "MUTANT_FILE": str(run.source.path), "MUTANT_CODE": str(code)}
    os.environ |= {"PYTHONPATH": paths, "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
    tempfile.tempdir = None
    sys.dont_write_bytecode = True
    os.chdir(root)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("engine", "nn", "tests")]:
        del sys.modules[name]  # the project's own modules are imported anew, from its root
    sys.path.insert(0, str(root))
    runpy.run_path(str(HOOK))

    import hypothesis
    import pytest

    # The same examples at every run.  The smallest failing example is of no interest here.
    hypothesis.settings.register_profile(
        "mutants", derandomize=True, database=None, deadline=None, phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
    )
    options = [
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
        "-x",
        "-q",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        "--hypothesis-profile=mutants",
        f"--basetemp={scratch / 'tests'}",
    ]
    return int(pytest.main([*options, *run.tests]))


class Runner:
    """Runs tests in forked processes, several at a time, and leaves neither processes nor files behind."""

    def __init__(self, root: Path, jobs: int):
        self.root, self.jobs = root, jobs
        self.running: dict[int, Child] = {}

    def __enter__(self) -> Runner:
        os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # a process with threads can't be forked safely
        self.folder = Path(tempfile.mkdtemp(prefix="mutants-"))
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(self.folder / "hypothesis")
        for name in PRELOADED:
            with contextlib.suppress(ImportError):
                import_module(name)
        gc.collect()
        gc.freeze()  # pages that the children share stay shared
        return self

    def __exit__(self, *_: Any) -> None:
        for pid in list(self.running):
            self.end(pid)
            os.waitpid(pid, 0)
        shutil.rmtree(self.folder, ignore_errors=True)

    def verdicts(self, runs: list[Run]) -> Iterator[Verdict]:
        """Carry out the runs, and give each verdict as it falls."""
        todo = iter(runs)
        while True:
            while len(self.running) < self.jobs and (run := next(todo, None)):
                self.start(run)
            if not self.running:
                return
            for pid, child in list(self.running.items()):
                seconds = time.monotonic() - child.start
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    code = os.waitstatus_to_exitcode(status)
                    caught = {0: "", 1: "failed"}.get(code, "broke off")
                elif seconds > child.run.limit:
                    caught = "too slow"
                else:
                    continue
                self.end(pid)  # and whatever its tests have started
                if not ended:
                    os.waitpid(pid, 0)
                del self.running[pid]
                output = child.scratch / "output"
                yield Verdict(child.run, caught, seconds, output.read_text(errors="replace") if output.exists() else "")
                shutil.rmtree(child.scratch, ignore_errors=True)
            time.sleep(0.005)

    def start(self, run: Run) -> None:
        scratch = Path(tempfile.mkdtemp(dir=self.folder))
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            code = 70  # the run broke off before pytest had a say
            try:
                code = become(run, self.root, scratch)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        self.running[pid] = Child(run, scratch, time.monotonic())

    @staticmethod
    def end(pid: int) -> None:
        for kill in (os.killpg, os.kill):  # os.kill, where the child has not yet made its group
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)
                return


# ── the score ─────────────────────────────────────────────────────────────────


class Score:
    """What became of the mutants, by file."""

    def __init__(self) -> None:
        self.caught: Counter[str] = Counter()
        self.total: Counter[str] = Counter()
        self.equivalent: Counter[str] = Counter()
        self.possible: Counter[str] = Counter()
        self.survivors: list[Mutant] = []

    def enter(self, verdict: Verdict) -> None:
        mutant = verdict.run.mutant
        assert mutant
        self.total[mutant.file] += 1
        self.caught[mutant.file] += bool(verdict.caught)
        if not verdict.caught:
            self.survivors.append(mutant)

    @property
    def below(self) -> list[str]:
        """The files that miss the goal."""
        return [file for file, total in self.total.items() if self.caught[file] < GOAL * total]

    def show(self) -> None:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=True)
        table = Table("file", "caught", "mutants", "score", "equivalent", "possible")
        for column in table.columns[1:]:
            column.justify = "right"
        rows = [(file, self.caught[file], self.total[file], self.equivalent[file], self.possible[file]) for file in sorted(self.possible)]
        for name, caught, total, equivalent, possible in [*rows, ("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))]:
            score = f"{caught / total:.1%}" if total else "–"
            style = "red" if caught < GOAL * total else ""
            table.add_row(
                name, str(caught), str(total), score, str(equivalent), str(possible), style=style, end_section=name == rows[-1][0]
            )
        console.print(table)
        for mutant in sorted(self.survivors):
            console.print(f"SURVIVED {escape(str(mutant))}")


def stale(sources: list[Source], entries: list[Equivalent]) -> list[Equivalent]:
    """Entries of the table that fit no mutant of their file."""
    mutants = {source.file: source.mutants for source in sources}
    return [entry for entry in entries if entry.file in mutants and not any(m.fits(entry) for m in mutants[entry.file])]


def unchanged(whole: dict[tuple[str, ...], Run], runner: Runner) -> dict[tuple[str, ...], float]:
    """The time of each set of tests on the unchanged source, in seconds.

    Raises:
        SystemExit: a test fails.
    """
    seconds = {}
    for verdict in runner.verdicts(list(whole.values())):
        if verdict.caught:
            raise SystemExit(f"{verdict.output}\nThe tests of {verdict.run.source.file} fail without a mutant, so there is no score.")
        seconds[tuple(sorted(verdict.run.tests))] = verdict.seconds
    return seconds


def score(sources: list[Source], chosen: list[Mutant], runner: Runner, least: float) -> Score:
    """Run the tests for each mutant; before and after that, without a mutant, all tests must pass."""
    result = Score()
    tests = {source.file: tests_of(runner.root, source.file) for source in sources}
    by_file = {source.file: source for source in sources if any(mutant.file == source.file for mutant in chosen)}
    if untested := [file for file in by_file if not tests[file]]:
        raise SystemExit(f"no tests for {', '.join(untested)}")
    whole = {tuple(sorted(tests[file])): Run(source, None, tests[file], 3600.0) for file, source in by_file.items()}
    limits = {key: max(least, 3.0 * seconds) for key, seconds in unchanged(whole, runner).items()}
    runs = [Run(by_file[m.file], m, tests[m.file], limits[tuple(sorted(tests[m.file]))]) for m in chosen]
    for number, verdict in enumerate(runner.verdicts(runs), 1):
        result.enter(verdict)
        if sys.stderr.isatty():
            print(f"\r{number} of {len(runs)} mutants, {len(result.survivors)} survivors ", end="", file=sys.stderr, flush=True)
    unchanged(whole, runner)  # else what broke the tests was not the mutants
    return result


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", help="source files or folders; all of engine/ and nn/ by default")
    parser.add_argument("--per-file", type=int, default=20, metavar="N", help="mutants in the sample of a file (default: %(default)s)")
    parser.add_argument("--all", action="store_true", help="every mutant")
    parser.add_argument("--list", action="store_true", help="print the mutants instead of running them")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes at a time (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=10.0, metavar="S", help="least seconds that a run may take (default: %(default)s)")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project (default: this one)")
    options = parser.parse_args()
    root = options.root.resolve()
    entries = EQUIVALENT if root == ROOT else []
    sources = [Source(root, file) for file in files(root, options.files)]
    chosen = [m for s in sources for m in (s.mutants if options.all else sample(s.mutants, options.per_file))]
    counted = [mutant for mutant in chosen if not any(mutant.fits(entry) for entry in entries)]
    if options.list:
        print(*counted, sep="\n")
        return 0
    with Runner(root, options.jobs) as runner:
        result = score(sources, counted, runner, options.limit)
    result.possible = Counter({source.file: len(source.mutants) for source in sources if source.mutants})
    result.equivalent = Counter(mutant.file for mutant in chosen) - Counter(mutant.file for mutant in counted)
    result.show()
    outdated = stale(sources, entries)
    for entry in outdated:
        print(f"STALE {entry.file} {entry.function}: {entry.original} → {entry.mutated} (tests/equivalents.py)")
    return 1 if result.below or outdated else 0


if __name__ == "__main__":
    sys.exit(main())
