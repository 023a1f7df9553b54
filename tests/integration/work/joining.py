"""Jobs that join users with accounts, and their tables."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import psycopg
import pytest

from backfill.jobfile.load import JobFile
from tests.fixtures_postgres import Database
from tests.integration.jobs import job_file, run_sql

Partners = tuple[str | None, ...]


NUMBERLESS = 3


PARTNERS = [partners for count in range(4) for partners in combinations_with_replacement((None, "a", "b", "b2"), count)]
"""Which nicks the partners of one row may have: none at all up to three of them."""


USERS: list[tuple[str | None, Partners]] = [
    *((handle, partners) for handle in (None, "a", "c") for partners in PARTNERS),
    *[(None, ())] * NUMBERLESS,
]


def joining(**keys: Any) -> JobFile:
    """Return a job that joins users with their accounts."""
    using = {"table": "accounts", "on": "accounts.user_id = users.id"}
    defaults = {"set": {"handle": "nick"}, "batch": {"stripes": 2}, "using": using}
    return job_file(**defaults | {"throttle": {"replicas": {"ignore": ["*"]}}} | keys)


@pytest.fixture
def joined_users(shared: Database) -> Database:
    """A row for each mixture of a handle and partners, some rows and some accounts without a number to join by."""
    run_sql(
        shared,
        "drop schema if exists backfill cascade",
        "drop table if exists users, accounts cascade",
        "drop function if exists nothing cascade",
        "create table users (place int, id int, handle text) with (autovacuum_enabled = off)",
        "create table accounts (user_id int, nick text)",
        "create index on accounts (user_id)",
        "insert into accounts values (null, 'a'), (null, null)",
    )
    numbered = len(USERS) - NUMBERLESS
    with psycopg.connect(shared.dsn) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into users values (%s, %s, %s)",
            [(place, place if place < numbered else None, handle) for place, (handle, _) in enumerate(USERS)],
        )
        cursor.executemany(
            "insert into accounts values (%s, %s)",
            [(place, nick) for place, (_, partners) in enumerate(USERS) for nick in partners],
        )
    return shared


@dataclass(frozen=True)
class Meant:
    """A condition in SQL, and what it means in Python; `alone`: it does not look at the partner."""

    where: str
    alone: bool

    def to_do(self, handle: str | None, partners: Partners) -> bool:
        return handle is None if self.alone else any(handle != nick for nick in partners)

    def mended(self, handle: str | None, partners: Partners) -> bool:
        """Whether the nick of one of its partners would end it."""
        return any((self.alone or handle != nick) and not self.to_do(nick, partners) for nick in partners)


MEANT = {
    "alone": Meant("handle IS NULL", alone=True),
    "joined": Meant("handle IS DISTINCT FROM nick", alone=False),
}
