"""Speed, as ratios: every contender does the same work, in one run, taking turns.

    python -m tests.benchmarks                 all tables
    python -m tests.benchmarks scalar import   some of them

Set OMP_NUM_THREADS=1 where other programs use the machine: NumPy's matrix products wait for their threads.
No time here passes or fails a test: a ratio depends on the machine, and is for reading.
"""
