"""PyTorch's numbers for optimisers, clipping and schedules."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any

import pytest

from tests.reference import optim_make


@pytest.fixture(params=["stored", "live"])
def reference(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The numbers stored in the repository, and those of the installed PyTorch."""
    if request.param == "stored":
        return json.loads(optim_make.STORED.read_text(encoding="utf-8"))
    if not find_spec("torch"):
        pytest.skip("torch is not installed")
    return optim_make.compute()
