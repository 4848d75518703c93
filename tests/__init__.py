"""The tests; their folders mirror the house: `core` for the files at the door of `engine/`, then one for each wing."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
