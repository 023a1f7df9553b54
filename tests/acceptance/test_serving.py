"""The daemon in a pod: every job of a directory in turn, then up for metrics; new files are picked up."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.acceptance.worker import COMMAND, JOB, left, make_users


@contextmanager
def serving(dsn, directory, descriptors_max=1024):
    """`backfill serve` on a free port: its process and the address that it logged."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    log = directory.parent / "serve.log"
    limited = ["sh", "-c", f'ulimit -n {descriptors_max} && exec "$@"', "sh"]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*limited, *COMMAND, "serve", str(directory), "--http", "127.0.0.1:0"],
            stderr=stderr,
            env=environment | {"DATABASE_URL": dsn},
        )
    try:
        listening = wait_for(log, lambda line: line["event"] == "http_listening")
        yield process, f"http://127.0.0.1:{listening['port']}", log
    finally:
        process.kill()
        process.wait(10)


def wait_for(log, matches, timeout_s=30.0):
    """Return the first log line that matches; every line must be JSON."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        for text in log.read_text().splitlines():
            line = json.loads(text)
            if matches(line):
                return line
        time.sleep(0.05)
    raise AssertionError(f"not logged in {timeout_s}s:\n{log.read_text()}")


def get(url):
    """Return status and text of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_serve_runs_all_jobs_in_name_order_stays_up_and_takes_new_files(database, tmp_path):
    make_users(database, 5000)
    database.query("alter table users add column login text")
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (jobs / "20-login.yaml").write_text(
        JOB.replace("users-handle", "users-login")
        .replace("handle: username", "login: handle")
        .replace("handle IS NULL", "login IS NULL")
    )
    (jobs / "10-handle.yaml").write_text(JOB)
    (jobs / "15-wrong.yaml").write_text(
        JOB.replace("table: public.users", "table: public.usres").replace("users-handle", "users-wrong")
    )
    (jobs / ".hidden.yaml").write_text("not a job")
    with serving(database.worker_dsn, jobs) as (process, url, log):
        wait_for(log, lambda line: line["event"] == "finished" and line["job"] == "users-login")
        assert left(database) == 0
        assert database.query("select count(*) from users where login is distinct from username") == [(0,)]
        wrong = wait_for(log, lambda line: line["event"] == "job_ended")
        assert wrong["why"].startswith(f"{jobs}/15-wrong.yaml:2:8: table 'public.usres' does not exist")
        assert get(f"{url}/healthz") == (200, "ok")
        assert get(f"{url}/readyz") == (200, "ok")
        status = json.loads(get(f"{url}/status.json")[1])
        assert {one["job"]: one["state"] for one in status["jobs"]} == {
            "users-handle": "done",
            "users-login": "done",
            "users-wrong": "failed",
        }
        metrics = get(f"{url}/metrics")[1]
        assert 'backfill_rows_updated_total{job="users-handle"} 5000.0' in metrics
        assert 'backfill_job_state{job="users-login",state="done"} 1.0' in metrics
        assert get(f"{url}/")[0] == 200
        database.query("update users set handle = null where id <= 100")
        (jobs / "30-again.yaml").write_text(JOB.replace("users-handle", "users-again"))
        wait_for(log, lambda line: line["event"] == "finished" and line["job"] == "users-again")
        assert left(database) == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143


def test_strangers_take_neither_probes_nor_descriptors_nor_the_log(database, tmp_path):
    make_users(database, 2000)
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (jobs / "first.yaml").write_text(JOB)
    with serving(database.worker_dsn, jobs, descriptors_max=256) as (process, url, log), ExitStack() as stack:
        wait_for(log, lambda line: line["event"] == "finished")
        before = log.read_text()
        port = int(url.rpartition(":")[2])
        for number in range(600):
            stranger = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            stranger.sendall(
                (b"", b"GET / HT", b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")[number % 3]
            )
            if number % 100 == 99:
                assert get(f"{url}/healthz") == (200, "ok")
                assert len(list(Path(f"/proc/{process.pid}/fd").iterdir())) < 128
        assert log.read_text() == before
        database.query("update users set handle = null where id <= 100")
        (jobs / "second.yaml").write_text(JOB.replace("users-handle", "users-again"))
        wait_for(log, lambda line: line["event"] == "finished" and line["job"] == "users-again")
        assert left(database) == 0
