"""Fixtures that several files of this folder share."""

from __future__ import annotations

from tests.integration.work.joining import joined_users
from tests.integration.work.rejecting import rejecting_users

__all__ = ["joined_users", "rejecting_users"]
