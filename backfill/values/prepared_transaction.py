"""Prepared transactions (PREPARE TRANSACTION): they hold their locks without a session, until somebody ends them."""

from __future__ import annotations

from backfill.values.redact import foreign


def prepared(gid: str, details: str) -> str:
    """Return a prepared transaction, and what ends it."""
    name = foreign(gid)
    literal = "'" + name.replace("'", "''") + "'"
    ways_out = f"COMMIT PREPARED {literal}; or ROLLBACK PREPARED {literal};"
    return f"prepared transaction {literal} ({details}); end it: {ways_out}"
