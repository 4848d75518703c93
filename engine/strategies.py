"""The hypothesis strategies under their public name; they live in `engine.prove.strategies`."""

from .prove.strategies import *  # noqa: F403
from .prove.strategies import __all__ as __all__
