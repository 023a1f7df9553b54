"""Roles with a worker's least rights, as docs/operations/rights.md grants them: tests run commands and jobs as them."""

from __future__ import annotations

import psycopg

from backfill.postgres.state.schema import init_script
from backfill.values.identifier import quote


def employ(dsn: str, role: str) -> None:
    """Make a worker's role: what `init --print` prints, and the rights on tables that the superuser is yet to make."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rights = "select, update, maintain" if connection.info.server_version >= 170_000 else "select, update"
        for statement in (
            f"create role {quote(role)} login",
            init_script(role),
            f"alter default privileges grant {rights} on tables to {quote(role)}",
            f"alter default privileges grant usage on schemas to {quote(role)}",
        ):
            connection.execute(statement.encode())


def employ_first(dsn: str, role: str) -> None:
    """Make a worker's role that needs no `init`: it may create the state, and use one that a superuser's session made."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rights = "select, insert, update, delete" + (", maintain" if connection.info.server_version >= 170_000 else "")
        for statement in (
            f"create role {quote(role)} login in role pg_monitor",
            f"grant create on database {quote(connection.info.dbname)} to {quote(role)}",
            f"alter default privileges grant {rights} on tables to {quote(role)}",
            f"alter default privileges grant usage on schemas to {quote(role)}",
        ):
            connection.execute(statement.encode())


def dismiss(dsn: str, role: str) -> None:
    """End a role's sessions and drop it with what it owns, which is in this database."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", [role])
        for statement in (f"drop owned by {quote(role)} cascade", f"drop role {quote(role)}"):
            connection.execute(statement.encode())
