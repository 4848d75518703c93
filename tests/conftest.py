"""What every test runs under."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from engine.primitives import COMPOSITES, DISPATCH, TABLE

# A machine under load is slow, not wrong: no deadline.  The gate tries the same examples at every run;
# `pytest --hypothesis-profile=search` looks for new ones.
settings.register_profile("chainrule", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("chainrule")


@pytest.fixture(autouse=True)
def _table_as_it_was() -> Iterator[None]:
    """A test may enter primitives; the next one meets the table without them."""
    before = [(table, dict(table)) for table in (TABLE, COMPOSITES, DISPATCH)]
    yield
    for table, entries in before:
        if table != entries:
            table.clear()
            table.update(entries)
