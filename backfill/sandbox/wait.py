"""The only way to wait here: poll for a condition, and say so if the bound is exceeded."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from backfill.values.errors import BackfillError
from backfill.values.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_S = 0.04


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 30.0) -> None:
    """Return once `condition()` is true; raise BackfillError naming `what` when it stays false."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise BackfillError(f"waited {format_duration(timeout_s)} in vain: {what}")
        time.sleep(_POLL_S)
