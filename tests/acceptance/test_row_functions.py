"""A job with a Python function, end to end: its worker killed, its process killed, told to stop, and each row once."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.acceptance.command import backfill, write
from tests.acceptance.worker import JOB, left, make_users, run_job

ROWS = 30_000
EXAMPLES = Path(__file__).parents[2] / "jobs" / "examples"
MAPPED = JOB.replace(": username", ": python") + "python: {function: handles:make_handle, inputs: [id, username]}\n"
MODULE = """
import time


def make_handle(rows):
    time.sleep(0.00005 * len(rows))
    return [row["username"] for row in rows]
"""

pytestmark = [pytest.mark.oldest, pytest.mark.timeout(120)]


def write_job(directory: Path, module: str = MODULE) -> Path:
    (directory / "handles.py").write_text(module)
    return write(directory / "job.yaml", MAPPED)


def functions_of(pid: int) -> list[int]:
    """Processes that a worker's row function runs in."""
    found = [
        int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()
    ]
    return [one for one in found if b"rowfunction.child" in Path(f"/proc/{one}/cmdline").read_bytes()]


def gone(pid: int, timeout_s: float = 30.0) -> bool:
    """Whether a process that is not our child ends, or is a zombie that nobody waits for."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_killed_worker_killed_function_and_a_stop_leave_each_row_updated_once(database, tmp_path):
    make_users(database, ROWS)
    database.query("create unlogged table touched (id bigint)")
    database.query(
        "create function count_update() returns trigger language plpgsql security definer as"
        " 'begin insert into touched values (new.id); return null; end'"
    )
    database.query("create trigger counted after update on users for each row execute function count_update()")
    job = write_job(tmp_path)
    with run_job(database.worker_dsn, job) as killed:
        for _ in range(3):
            killed.until("BatchDone")
        [function] = functions_of(killed.process.pid)
        killed.kill()
        assert gone(function)
    with run_job(database.worker_dsn, job) as stopped:
        for _ in range(2):
            stopped.until("BatchDone")
        [function] = functions_of(stopped.process.pid)
        os.killpg(stopped.process.pid, signal.SIGTERM)  # as a terminal or a supervisor does: to all of them
        assert stopped.end() == 143, stopped.stderr
        assert stopped.all_of("RetryScheduled") == []
        assert gone(function)
    with run_job(database.worker_dsn, job) as last:
        for _ in range(2):
            last.until("BatchDone")
        [function] = functions_of(last.process.pid)
        os.kill(function, signal.SIGKILL)
        assert last.end() == 0, last.stderr
        [retried] = last.all_of("RetryScheduled")
        [finished] = last.all_of("Finished")
    assert retried["reason"] == "function_died"
    assert "function handles:make_handle: its process was killed by signal 9" in retried["message"]
    assert (finished["state"], finished["rows_total"]) == ("done", ROWS)
    assert left(database) == 0
    assert database.query("select count(*), count(distinct id) from touched") == [(ROWS, ROWS)]


def test_a_function_that_hangs_ends_with_the_worker_that_waited_for_it(database, tmp_path):
    make_users(database, 100)
    begun = tmp_path / "begun"
    job = write_job(tmp_path, f"def make_handle(rows):\n    open({str(begun)!r}, 'w')\n    while True:\n        pass\n")
    with run_job(database.worker_dsn, job) as worker:
        worker.until("Started")
        deadline_s = time.monotonic() + 20
        while not begun.exists():
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        [function] = functions_of(worker.process.pid)
        worker.kill()
        assert gone(function)


def test_the_worked_example_is_planned_and_run(database, tmp_path):
    for name in ("users-slug.yaml", "slugs.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    database.query("create table users (id int primary key, name text, slug text, slug_made_at timestamptz)")
    database.query("insert into users values (1, 'Jörg Größe'), (2, 'Łukasz  Đ.'), (3, '???'), (4, null)")
    plan = backfill("plan", tmp_path / "users-slug.yaml", dsn=database.worker_dsn)
    assert plan.code == 0, plan.stderr
    assert "function  name = 'Jörg Größe', id = 1 → slug = 'jorg-grosse-1'\n" in plan.stdout
    assert "          name = '???', id = 3 → slug = NULL\n" in plan.stdout
    assert database.query("select count(slug) from users") == [(0,)]
    run = backfill("run", tmp_path / "users-slug.yaml", "--http", "off", dsn=database.worker_dsn)
    assert run.code == 3, run.stderr
    assert 'for example {\\"id\\": 3}' in run.stderr
    assert database.query("select id, slug from users where slug_made_at is not null order by id") == [
        (1, "jorg-grosse-1"),
        (2, "lukasz-d-2"),
        (3, None),
    ]


def test_a_function_that_is_wrong_is_reported_with_its_place(database, tmp_path):
    make_users(database, 1000)
    job = write_job(tmp_path, "def make_handles(rows):\n    return []\n")
    missing = backfill("run", job, dsn=database.worker_dsn)
    assert missing.code == 2
    assert f"{job}:8:28: module 'handles' has no function 'make_handle'; did you mean 'make_handles'?" in missing.stderr
    assert database.query("select name from backfill.job") == []
    write_job(tmp_path, "def make_handle(rows):\n    return [str(1 / (row['id'] - 2)) for row in rows]\n")
    for command in ("plan", "run"):
        ended = backfill(command, job, dsn=database.worker_dsn)
        assert ended.code == 1
        assert f"{job}:8:28: function handles:make_handle raised ZeroDivisionError: division by zero" in ended.stderr
        assert "handles.py:2); for row {" in ended.stderr
    assert left(database) == 1000
