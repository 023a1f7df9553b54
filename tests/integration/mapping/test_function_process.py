"""What a row function's process may do: raise, hang, print, die; the run ends with the row's key, or goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio
import pytest

from backfill.events.batch import BatchDone
from backfill.events.job import RetryScheduled
from backfill.values.errors import FunctionError, StatementRefused
from tests.fixtures_postgres import Database
from tests.integration.jobs import (
    run,
    session,
)
from tests.integration.mapping.function_jobs import ROWS, job_of, whole, wrong

pytestmark = pytest.mark.anyio


async def test_a_function_that_raises_ends_the_run_with_the_row(users: Database, tmp_path: Path):
    module = "def f(rows):\n    return [('%d' % (1 / (r['id'] - 700))) and r['username'].upper() for r in rows]\n"
    with pytest.raises(FunctionError) as caught:
        await run(users.worker_dsn, job_of(tmp_path, module, inputs=["username", "id"]))
    assert str(caught.value) == (
        f"{tmp_path}/job.yaml:5:33: function functions:f raised ZeroDivisionError: division by zero"
        f" ({tmp_path}/functions.py:2); for row " + '{"id": 700}'
    )
    assert caught.value.exit_code == 1
    batch_result = users.query("select count(*), max(id) < 700 from users where handle = upper(username)")
    assert batch_result[0][0] > 0
    assert users.query("select state from backfill.job") == [("failed",)]


async def test_a_list_that_is_too_short_ends_the_run(users: Database, tmp_path: Path):
    with pytest.raises(FunctionError, match="returned 0 items for 1 rows; for row") as caught:
        await run(users.worker_dsn, job_of(tmp_path, "def f(rows):\n    return [r['username'] for r in rows][:-1]\n"))
    assert '{"id": 1}' in str(caught.value)
    assert users.query("select count(*) from users where handle is not null") == [(0,)]


async def test_a_function_that_prints_and_reads_does_no_harm(users: Database, tmp_path: Path):
    module = (
        "import os, sys\n"
        "def f(rows):\n"
        "    print('x' * 100_000); print('y' * 100_000, file=sys.stderr); os.write(1, b'z'); os.write(2, b'w' * 9)\n"
        "    assert sys.stdin.read() == ''\n"
        "    return [row['username'].upper() for row in rows]\n"
    )
    finished, _ = await run(users.worker_dsn, job_of(tmp_path, module))
    assert (finished.state, wrong(users)) == ("done", 0)


async def test_a_process_that_is_killed_is_started_again(users: Database, tmp_path: Path):
    """Twice, each time in the middle of a call."""
    working = tmp_path / "working"
    module = (
        "import os, pathlib, time\n"
        f"working = pathlib.Path({str(working)!r})\n"
        "def f(rows):\n"
        "    for number in (1, 500):\n"
        "        seen = working.with_name(f'seen{number}')\n"
        "        if any(row['id'] == number for row in rows) and not seen.exists():\n"
        "            seen.touch(); working.write_text(str(os.getpid())); time.sleep(60)\n"
        "    return [row['username'].upper() for row in rows]\n"
    )
    async with anyio.create_task_group() as tasks:

        async def kill() -> None:
            for _ in range(2):
                while not working.exists() or not (pid := working.read_text()):  # noqa: ASYNC110
                    await anyio.sleep(0.01)
                working.unlink()
                os.kill(int(pid), signal.SIGKILL)

        tasks.start_soon(kill)
        job = job_of(tmp_path, module, inputs=["username", "id"])
        finished, events = await run(users.worker_dsn, job)
        tasks.cancel_scope.cancel()
    assert (finished.state, finished.rows_total, wrong(users)) == ("done", ROWS, 0)
    retried = [one for one in events if isinstance(one, RetryScheduled)]
    assert [one.reason for one in retried] == ["function_died"] * 2
    assert "function functions:f: its process was killed by signal 9 (out of memory?)" in retried[0].message


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("import os\ndef f(rows):\n    [os._exit(7) for r in rows if r['id'] == 300]\n", "ended with exit code 7"),
        (
            "import ctypes\ndef f(rows):\n    [ctypes.string_at(0) for r in rows if r['id'] == 300]\n",
            "was killed by signal 11: Fatal Python error: Segmentation fault",
        ),
        (
            "import time\ndef f(rows):\n    [time.sleep(60) for r in rows if r['id'] == 300]\n",
            "gave no answer within 1s",
        ),
    ],
    ids=["exit", "crash", "hang"],
)
async def test_a_row_that_ends_the_process_each_time_is_found(users: Database, tmp_path: Path, module: str, words: str):
    module += "    return [r['username'].upper() for r in rows]\n"
    limits = {"statement_timeout": "1s", "lock_timeout": "500ms"}
    with pytest.raises(FunctionError) as caught:
        await run(users.worker_dsn, job_of(tmp_path, module, inputs=["username", "id"], **limits))
    assert words in str(caught.value)
    assert str(caught.value).endswith('2 times; for row {"id": 300}')
    assert users.query("select count(*), max(id) from users where handle = upper(username)") == [(299, 299)]


async def test_a_slow_function_is_given_as_many_rows_as_it_maps_in_a_second(users: Database, tmp_path: Path):
    module = "import time\ndef f(rows):\n    time.sleep(0.002 * len(rows))\n    return [r['username'].upper() for r in rows]\n"
    finished, events = await run(users.worker_dsn, job_of(tmp_path, module))
    rows = [one.rows for one in events if isinstance(one, BatchDone)]
    assert finished.state == "done"
    assert max(rows) <= 500
    assert len(rows) <= 12


async def test_a_second_signal_ends_the_function(users: Database, tmp_path: Path):
    module = "import time\ndef f(rows):\n    time.sleep(60)\n"
    async with session(users.dsn, job_of(tmp_path, module)) as worker:
        checkpoint, batch_range = await whole(worker)
        async with anyio.create_task_group() as tasks:

            async def cancel() -> None:
                await anyio.sleep(0.2)
                await worker.session.cancel()

            tasks.start_soon(cancel)
            with anyio.fail_after(10), pytest.raises(StatementRefused, match="was killed by signal 9"):
                await worker.map_rows(checkpoint, batch_range)


async def test_no_transaction_is_open_while_the_function_works(users: Database, tmp_path: Path):
    module = "import time\ndef f(rows):\n    time.sleep(1)\n    return [r['username'] for r in rows]\n"
    async with session(users.dsn, job_of(tmp_path, module)) as worker:
        checkpoint, batch_range = await whole(worker)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker.map_rows, checkpoint, batch_range)
            await anyio.sleep(0.6)
            seen = "select state, backend_xmin is null, backend_xid is null from pg_stat_activity where pid = %s"
            assert users.query(seen, worker.connection.server_pid) == [("idle", True, True)]
