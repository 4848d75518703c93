"""Values and derivatives by PyTorch, stored: `make.py` writes them, `tests/test_reference.py` compares."""
