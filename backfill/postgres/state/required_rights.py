"""What commands other than the worker need of the state schema, or the statements that give it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from backfill.postgres.session.connection import INSUFFICIENT_PRIVILEGE, Connection, translated
from backfill.values.errors import Halted, StatementRefused
from backfill.values.identifier import quote

_LOOK = "SELECT ON ALL TABLES IN SCHEMA backfill"
_ASK = "INSERT (job, action, until, reason, client, limits) ON backfill.request"
TO_LOOK = ("read schema backfill", _LOOK)
TO_ASK = ("pause, resume or cancel jobs", _LOOK, _ASK)
TO_TUNE = ("tune jobs", _LOOK, "UPDATE (tuned, tuned_until) ON backfill.job", _ASK)
TO_FORGET = ("forget jobs", _LOOK, "DELETE ON backfill.job")


@contextmanager
def requires(connection: Connection, what: str, *rights: str) -> Iterator[None]:
    """Raise Halted if the role may not do `what`; `rights` are those on tables that it takes."""
    try:
        with translated(connection):
            yield
    except StatementRefused as error:
        if error.sqlstate != INSUFFICIENT_PRIVILEGE:
            raise
        role = connection.info.user
        grants = " ".join(f"GRANT {right} TO {quote(role)};" for right in ("USAGE ON SCHEMA backfill", *rights))
        raise Halted(f"role {role!r} may not {what}; run: {grants}") from None
