"""Both plays of a case on one server: the plain UPDATE through a plain connection, and the job."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self
from unittest.mock import patch

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier, Literal

from backfill.sandbox import Sandbox, Server
from tests.differential.case import DATABASE, DATABASE_SQL, ROLES, WORKER, Case
from tests.differential.comparison import Difference, End, Left, Played, compare
from tests.differential.job_run import run_job

ASIDE = "state_aside"
# What a case may have made, gone again: quicker than a new database, and nothing else outlives a case.
_EMPTIED = f"""
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT pubname FROM pg_publication LOOP
        EXECUTE format('DROP PUBLICATION %I', one.pubname);
    END LOOP;
    FOR one IN SELECT nspname FROM pg_namespace
        WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'backfill', '{ASIDE}')
    LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', one.nspname);
    END LOOP;
END $$;
CREATE SCHEMA public;
GRANT USAGE ON SCHEMA public TO public;
ALTER DATABASE {DATABASE} RESET ALL;
ALTER ROLE {WORKER} RESET ALL;
ALTER ROLE {WORKER} IN DATABASE {DATABASE} RESET ALL;
ALTER ROLE {WORKER} NOBYPASSRLS;
REVOKE stranger FROM {WORKER};
"""
# The state schema as it is before the first job, with all migrations: to make it takes as long as a job's batches do.
_STATE_EMPTIED = """
DO $$
DECLARE
    tables text := (
        SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
        WHERE relnamespace = to_regnamespace('backfill') AND relkind = 'r' AND relname <> 'version'
    );
BEGIN
    EXECUTE coalesce('TRUNCATE ' || tables, '');
END $$
"""
_STATE_DROPPED = "DROP SCHEMA IF EXISTS backfill CASCADE"
_STATE_AWAY, _STATE_BACK = f"ALTER SCHEMA backfill RENAME TO {ASIDE}", f"ALTER SCHEMA {ASIDE} RENAME TO backfill"
# Rows are compared as texts, so nothing that a case sets may reach the session that reads them.
_CANONICAL = (
    "-c client_min_messages=warning -c lock_timeout=10s -c extra_float_digits=1 -c timezone=UTC -c datestyle=ISO"
)
_TREE = (
    """
WITH RECURSIVE tree AS (
    SELECT to_regclass(%s)::oid AS oid
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent
)
SELECT n.nspname, c.relname, tree.oid IS NOT NULL
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN tree ON tree.oid = c.oid
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'backfill', '"""
    + ASIDE
    + """')
"""
)
_SET_ASIDE = "CREATE TEMP TABLE aside_{number} AS TABLE ONLY {leaf}; DELETE FROM ONLY {leaf}"
_WRITTEN_AGAIN = """
DO $again$
DECLARE
    columns text := (
        SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
        WHERE attrelid = '{leaf}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    );
BEGIN
    EXECUTE format(
        'INSERT INTO {leaf} (%1$s) OVERRIDING SYSTEM VALUE SELECT %1$s FROM aside_{number}; DROP TABLE aside_{number}',
        columns
    );
END $again$
"""
_SETTINGS = {"autovacuum": "off", "shared_buffers": "64MB", "wal_level": "logical"}


class Playground:
    """A server with one database, in which one case after the other is played."""

    def __init__(self, server: Server) -> None:
        self._server = server
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            for statement in (*ROLES, *DATABASE_SQL):
                connection.execute(statement.encode())
        self._admin = psycopg.connect(
            make_conninfo(server.dsn_for(dbname=DATABASE), options=_CANONICAL), autocommit=True, prepare_threshold=None
        )
        self._directory = tempfile.TemporaryDirectory()

    @property
    def version(self) -> int:
        """The server's version, as `Case.server_min` has it."""
        return self._admin.info.server_version

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._admin.close()
        self._directory.cleanup()

    def difference(self, case: Case) -> Difference | None:
        """Play a case twice; return how the job differs from the plain UPDATE."""
        return compare(case, self.play(case))

    def difference_made(self, case: Case) -> Difference | None:
        """Return the same of one of many cases."""
        return compare(case, self.play_made(case))

    def play(self, case: Case) -> Played:
        """Play a case twice, and by single rows where the plain UPDATE fails; there is no state schema before."""
        self._admin.execute(_STATE_DROPPED)
        return self._with_job(case, self._play_plain(case))

    def play_made(self, case: Case) -> Played:
        """Play one of many cases: a job that is simply done finds the state schema of the one before it, empty.

        Whatever else is played once more as `play` does it: a job that is refused may not have made the schema.
        """
        before = self._play_plain(case)
        self._admin.execute(_STATE_EMPTIED)
        played = self._with_job(case, before)
        if played.job_end.exit_code in (0, 3) and compare(case, played) is None:
            return played
        kept = played.job.has_state
        if kept:
            self._admin.execute(_STATE_AWAY.encode())
        try:
            return self._with_job(case, before)
        finally:
            self._admin.execute(_STATE_DROPPED)
            if kept:
                self._admin.execute(_STATE_BACK.encode())

    def _play_plain(self, case: Case) -> Played:
        """Play the UPDATE alone: the job is as if it had not begun."""
        self._begin(case)
        start = self._left(case)
        with patch.dict(os.environ, case.environment):
            plain_end = _update(self._dsn(case), case)
        plain = self._left(case)
        rowwise = self._rowwise(self._dsn(case), case) if plain_end.exit_code else None
        return Played(start, plain_end, plain, End(None, "not begun"), start, rowwise)

    def _with_job(self, case: Case, before: Played) -> Played:
        self._begin(case)
        with patch.dict(os.environ, case.environment):
            job_end = run_job(self._dsn(case), self._written(case))
        return replace(before, job_end=job_end, job=self._left(case))

    def _dsn(self, case: Case) -> str:
        return make_conninfo(self._server.dsn_for(user=WORKER, dbname=DATABASE), options=case.options or None)

    def play_under_trigger(self, case: Case) -> tuple[End, Left, Left]:
        """Return how a job on the emptied tables ended, what the plain UPDATE leaves, and what rows become that are
        written again when the job is done.

        Whoever writes them has other settings, and fires no trigger but the job's.
        """
        self._admin.execute(_STATE_DROPPED)
        dsn = self._dsn(case)
        self._begin(case)
        with patch.dict(os.environ, case.environment):
            plain_end = _update(dsn, case)
            plain = self._left(case)
            self._begin(case)
            self._admin.execute(f"GRANT {self._admin.info.user} TO {WORKER}".encode())
            try:
                self._admin.execute("SET session_replication_role = replica")
                leaves = sorted(plain.tree)
                for number, leaf in enumerate(leaves):
                    self._admin.execute(_SET_ASIDE.format(leaf=leaf, number=number).encode())
                end = run_job(dsn, self._written(case)) if plain_end.exit_code == 0 else plain_end
                for number, leaf in enumerate(leaves):
                    self._admin.execute(_WRITTEN_AGAIN.format(leaf=leaf, number=number).encode())
            finally:
                self._admin.execute("RESET session_replication_role")
                self._admin.execute(f"REVOKE {self._admin.info.user} FROM {WORKER}".encode())
        return end, plain, self._left(case)

    def _begin(self, case: Case) -> None:
        self._admin.execute(_EMPTIED.encode())
        self._admin.execute(";\n".join(case.statements).encode())

    def _left(self, case: Case) -> Left:
        tables = self._admin.execute(_TREE, [case.table]).fetchall()
        rows: dict[str, tuple[str, ...]] = {}
        with self._admin.pipeline():
            found = {
                f"{schema}.{name}": self._admin.execute(
                    SQL("SELECT one::text FROM ONLY {} AS one").format(Identifier(schema, name))
                )
                for schema, name, _ in tables
            }
            for name, cursor in found.items():
                rows[name] = tuple(sorted(row[0] for row in cursor))
        [(has_state,)] = self._admin.execute("SELECT to_regnamespace('backfill') IS NOT NULL").fetchall()
        return Left(rows, has_state, frozenset(f"{schema}.{name}" for schema, name, inside in tables if inside))

    def _rowwise(self, dsn: str, case: Case) -> Left:
        """Update rows one by one, each by itself, from where the plain UPDATE has left all as they were."""
        tids = self._admin.execute(
            SQL("SELECT tableoid::bigint, ctid::text FROM {} AS one").format(SQL(case.table))
        ).fetchall()
        with psycopg.connect(dsn, autocommit=True) as connection:
            name = case.table.rpartition(".")[2]
            for oid, tid in tids:
                which = SQL("{row}.tableoid = {oid} AND {row}.ctid = {tid}").format(
                    row=SQL(name), oid=Literal(oid), tid=Literal(tid)
                )
                _executed(connection, case.update_where(which.as_string(connection)))
        return self._left(case)

    def _written(self, case: Case) -> Path:
        directory = Path(tempfile.mkdtemp(dir=self._directory.name))
        if case.module:
            (directory / "functions.py").write_text(case.module)
        path = directory / "job.yaml"
        path.write_text(case.job_text)
        return path


@contextmanager
def playground() -> Iterator[Playground]:
    """Give a playground on a server of its own."""
    with Sandbox() as sandbox, Playground(sandbox.primary(settings=_SETTINGS)) as made:
        yield made


def _update(dsn: str, case: Case) -> End:
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return _executed(connection, case.update)
    except psycopg.Error as error:
        return End(1, f"no connection: {error}")


def _executed(connection: psycopg.Connection, statement: str) -> End:
    try:
        return End(0, str(connection.execute(statement.encode()).statusmessage))
    except psycopg.Error as error:
        return End(1, f"{error.sqlstate} {error}")
