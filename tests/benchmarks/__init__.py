"""Speed, as ratios: every contender does the same work, each in a process of its own, taking turns.

    python -m tests.benchmarks                          all tables
    python -m tests.benchmarks scalar import            some of them
    python -m tests.benchmarks tensor.network           one contest

No time here passes or fails a test: a ratio depends on the machine, and is for reading.
"""
