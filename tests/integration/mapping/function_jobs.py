"""Jobs with a row function on table users, and what became of them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from backfill.jobfile.load import JobFile
from backfill.table.row_counts import BatchRange
from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    function_job,
    next_cut,
    open_leaf,
    run_sql,
)
from tests.integration.worker import Worker as Session

ROWS = 1000
UPPER = "def f(rows):\n    return [row['username'] and row['username'].upper() for row in rows]\n"
PLAIN: dict[str, Any] = {"batch": {"stripes": 1}, "throttle": {"replicas": {"ignore": ["*"]}}}


def job_of(tmp_path: Path, module: str = UPPER, **keys: Any) -> JobFile:
    return function_job(tmp_path, module, **PLAIN | keys)


def wrong(database: Database) -> int:
    [(count,)] = database.query("select count(*) from users where handle is distinct from upper(username)")
    return int(count)


def touched(database: Database) -> None:
    """Write down each row that is updated."""
    run_sql(
        database,
        "create table touched (id bigint)",
        "create function touch() returns trigger language plpgsql as"
        " 'begin insert into touched values (new.id); return null; end'",
        "create trigger touch after update on users for each row execute function touch()",
    )


def children() -> list[int]:
    """Processes of row functions of this one."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            found += map(int, (task / "children").read_text().split())
    return [child for child in found if b"rowfunction.child" in Path(f"/proc/{child}/cmdline").read_bytes()]


async def whole(worker: Session) -> tuple[Any, BatchRange]:
    """Open the table; return its place and all of it as one batch."""
    checkpoint = (await open_leaf(worker)).checkpoints[0]
    return checkpoint, await next_cut(worker, checkpoint)
