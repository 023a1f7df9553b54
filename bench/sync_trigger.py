"""What the trigger of `sync: trigger` costs for each row that is written, in half a minute.

The best of several INSERTs of 20,000 rows, in microseconds a row, without a trigger and with the trigger of three jobs.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import psycopg

from backfill.jobfile.load import load
from backfill.postgres.work.job_session import open_job
from backfill.sandbox import Sandbox

ROWS, REPEATS = 20_000, 6
PLAIN = {"name": "cost", "table": "users", "set": {"handle": "username"}, "where": "handle IS NULL"}
JOBS: dict[str, dict[str, Any]] = {
    "where in WHEN": PLAIN,
    "where in the function": PLAIN | {"where": "handle IS NULL AND length(username) > 0"},
    "joined": PLAIN
    | {
        "set": {"handle": "accounts.name"},
        "where": "users.handle IS NULL",
        "using": {"table": "accounts", "on": "accounts.id = users.id"},
    },
}


def insert_us(connection: psycopg.Connection, handle: str) -> float:
    """Return the time of a row."""
    best_s = float("inf")
    for _ in range(REPEATS):
        connection.execute("truncate users")
        began_s = time.perf_counter()
        connection.execute(
            f"insert into users select i, 'user' || i, {handle} from generate_series(1, {ROWS}) i".encode()
        )
        best_s = min(best_s, time.perf_counter() - began_s)
    return best_s / ROWS * 1e6


async def install(dsn: str, keys: dict[str, Any]) -> None:
    """Make the trigger of a job."""
    async with open_job(dsn, load(json.dumps(keys | {"sync": "trigger"}), "job.yaml")) as session:
        await session.begin()
        await session.install_sync_trigger(lambda _: None, asyncio.sleep)


def main() -> None:
    """Print a line for each job."""
    with Sandbox() as sandbox:
        dsn = sandbox.primary().dsn
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("create table accounts (id bigint primary key, name text)")
            connection.execute(f"insert into accounts select i, 'n' || i from generate_series(1, {ROWS}) i".encode())
            connection.execute("analyze accounts")
            for name, keys in {"no trigger": None, **JOBS}.items():
                connection.execute("drop table if exists users cascade")
                connection.execute("drop schema if exists backfill cascade")
                connection.execute("create unlogged table users (id bigint primary key, username text, handle text)")
                if keys is not None:
                    asyncio.run(install(dsn, keys))
                filled_us, kept_us = insert_us(connection, "null"), insert_us(connection, "'own'")
                print(f"{name:22} a row that is filled {filled_us:5.1f} us, one that does not match {kept_us:5.1f} us")


if __name__ == "__main__":
    main()
