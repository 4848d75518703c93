"""Is the checker fair?  Rules that are wrong, which it must refuse; functions and rules that are right, which it must not.

python -m tests.fairness                 # the scores, and what was missed or refused
python -m tests.fairness --peers         # PyTorch's, JAX's and autograd's checkers beside ours, where installed
python -m tests.fairness --points 10000  # more random points on the functions of the engine
"""
