"""What commands other than the worker need of the state schema, or the statements that give it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from backfill.postgres.session.connection import INSUFFICIENT_PRIVILEGE, Connection, translated
from backfill.values.errors import Halted, StatementRefused
from backfill.values.identifier import quote

TO_LOOK = ("read schema backfill", "SELECT ON ALL TABLES IN SCHEMA backfill")
TO_TUNE = ("tune jobs", "SELECT, UPDATE ON backfill.job")


@contextmanager
def requires(connection: Connection, what: str, rights: str) -> Iterator[None]:
    """Raise Halted where the role may not do `what`; `rights` are those on tables that it takes."""
    try:
        with translated(connection):
            yield
    except StatementRefused as error:
        if error.sqlstate != INSUFFICIENT_PRIVILEGE:
            raise
        role = connection.info.user
        grants = f"GRANT USAGE ON SCHEMA backfill TO {quote(role)}; GRANT {rights} TO {quote(role)};"
        raise Halted(f"role {role!r} may not {what}; run: {grants}") from None
