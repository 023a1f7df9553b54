"""Every package says in its docstring what lives there, what it may import and how to add one more."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import backfill

PACKAGES = sorted(
    one.name
    for one in pkgutil.walk_packages(backfill.__path__, "backfill.")
    if one.ispkg and ".sandbox" not in one.name
)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_explains_itself(name: str):
    text = importlib.import_module(name).__doc__ or ""
    assert len(text.splitlines()) >= 5
    assert "import" in text.lower()
    assert "To add" in text
