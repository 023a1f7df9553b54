"""Fixtures that several files of this folder share."""

from __future__ import annotations

from tests.integration.catalog.leaves_of_users import empty
from tests.integration.catalog.reading import schema

__all__ = ["empty", "schema"]
