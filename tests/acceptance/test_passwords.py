"""A password that was given once is never seen again: not in logs, errors, processes, pages or the database."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.acceptance.command import backfill, environment, write
from tests.acceptance.worker import COMMAND, JOB, make_users

SCRIPT = [str(Path(sys.executable).with_name("backfill"))]
SECRET = "Tr0ub4dor"
PASSWORD = f"{SECRET}#?&%s 'x"
"""What URLs and conninfo have to write in other ways each begins with the same letters in all of them."""
WRONG = f"{SECRET}, which is not it"
SLOW = JOB.replace("1GB/s", "16kB/s")


@pytest.fixture
def address(database):
    """A role that has a password, and port and name of the database, where TCP asks for it."""
    role = f"secretive_{database.name}"
    literal = PASSWORD.replace("'", "''")
    database.query(f"create role {role} login superuser password '{literal}'")
    yield role, database.primary.port, database.name
    database.query(f"drop owned by {role}")
    database.query(f"drop role {role}")


def ways(address, password):
    """The ways to give a DSN: arguments, and DATABASE_URL."""
    role, port, name = address
    encoded, raw = quote(password, safe=""), quote(password, safe="#?&'")
    url = f"postgresql://{role}:{encoded}@127.0.0.1:{port}/{name}"
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    conninfo = f"host=127.0.0.1 port={port} user={role} dbname={name} password = '{escaped}'"
    return {
        "url": ([f"--dsn={url}"], None),
        "url with its password as it is": (["--dsn", f"postgresql://{role}:{raw}@127.0.0.1:{port}/{name}"], None),
        "query of a url": (["--dsn", f"postgresql://{role}@127.0.0.1:{port}/{name}?password={encoded}"], None),
        "conninfo": (["--dsn", conninfo], None),
        "the last of two": (["--dsn", "host=/nonexistent", f"--dsn={conninfo}"], None),
        "environment": ([], url),
    }


def visible(process):
    """Return what every user of the machine may read of a process and its children."""
    command = ["ps", "-ww", "-o", "args=", "-p", str(process.pid), "--ppid", str(process.pid)]
    listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return listed + Path(f"/proc/{process.pid}/cmdline").read_text(encoding="utf-8")


def watch_a_run(command, arguments, url):
    """Run a job until it has started; return its exit code and everything that anybody could see of it."""
    process = subprocess.Popen(
        [*command, *arguments],
        env=environment(DATABASE_URL=url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    shown, log = "", []
    try:
        assert process.stderr is not None
        for line in process.stderr:
            log.append(json.loads(line))
            if log[-1]["event"] == "started":
                break
        shown = visible(process)
        port = next(line["port"] for line in log if line["event"] == "http_listening")
        for page in ("/status.json", "/metrics", "/"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=10) as answer:
                shown += answer.read().decode()
    finally:
        process.terminate()
        stdout, stderr = process.communicate(timeout=20)
    return process.returncode, shown + json.dumps(log) + stdout + stderr


def test_a_running_worker_shows_its_password_nowhere(database, address, tmp_path):
    make_users(database, 5000)
    path = write(tmp_path / "job.yaml", SLOW)
    for number, (way, (arguments, url)) in enumerate(ways(address, PASSWORD).items()):
        command = [*(COMMAND if number % 2 else SCRIPT), "run", str(path), "--http", "127.0.0.1:0"]
        code, shown = watch_a_run(command, arguments, url)
        assert code == 143, (way, shown)
        assert "job.yaml" in shown
        assert SECRET not in shown, way
    kept = database.query("select j::text, e::text from backfill.job j, backfill.event e")
    kept += database.query("select application_name, query from pg_stat_activity")
    assert SECRET not in str(kept)


def test_a_wrong_password_is_told_without_it(address, tmp_path):
    run = ["run", write(tmp_path / "job.yaml"), "--http", "off"]
    commands = [run, ["status"], ["init"], [*run, "--json"], ["status"]]
    wrong = ways(address, WRONG)
    chosen = [wrong[way] for way in ("url", "query of a url", "conninfo", "the last of two", "environment")]

    def ask(command, way):
        arguments, url = way
        return backfill(*command, *arguments, dsn=url)

    with ThreadPoolExecutor(max_workers=3) as pool:
        ends = list(pool.map(ask, commands, chosen))
    for one in ends:
        assert one.code == 1
        assert "password authentication failed" in one.stderr
        assert SECRET not in one.stdout + one.stderr


def test_a_dsn_that_nobody_can_read_is_told_without_its_password():
    dsns = [
        f"postgresql://user:{SECRET}@[::1/name",
        f"postgresql://user:{SECRET}/{SECRET}@127.0.0.1/name",
        f"host=127.0.0.1 port=nosuch password={SECRET}",
    ]
    with ThreadPoolExecutor(max_workers=3) as pool:
        ends = list(pool.map(lambda dsn: backfill("status", "--dsn", dsn), dsns))
    for one in ends:
        assert one.code in (1, 2)
        assert one.stderr.startswith("backfill: ")
        assert SECRET not in one.stderr
