"""The article's topics as programs to run and to look at: `python -m demos` lists them.

Each is one file with one idea: its docstring asks the question, `run(demo)` returns the answer, measured.
"""
