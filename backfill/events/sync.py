"""The trigger of `sync: trigger`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncTriggerMade:
    """Rows that anybody inserts or updates are filled from now on; `conditional`: the server asks `where` by itself."""

    job: str
    table: str
    trigger: str
    conditional: bool


@dataclass(frozen=True, slots=True)
class SyncTriggerRemoved:
    """The trigger is gone from the table and its partitions, and its function with it."""

    job: str
    trigger: str
