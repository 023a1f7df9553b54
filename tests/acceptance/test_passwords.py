"""A password that was given once is never seen again: not in logs, errors, processes, pages or the database."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.acceptance.command import all_at_once, backfill, environment, write
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
    literal = PASSWORD.replace("'", "''")
    database.query(f"alter role {database.worker} password '{literal}'")
    return database.worker, database.primary.port, database.name


def ways(address, password, directory):
    """The ways to give a DSN: arguments, and environment."""
    role, port, name = address
    encoded, raw = quote(password, safe=""), quote(password, safe="#?&'")
    url = f"postgresql://{role}:{encoded}@127.0.0.1:{port}/{name}"
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    without = f"host=127.0.0.1 port={port} user={role} dbname={name}"
    conninfo = f"{without} password = '{escaped}'"
    passfile = directory / "passfile"
    passfile.touch(mode=0o600)
    passfile.write_text(f"127.0.0.1:{port}:*:{role}:{password}\n", encoding="utf-8")
    return {
        "url": ([f"--dsn={url}"], {}),
        "url with its password as it is": (["--dsn", f"postgresql://{role}:{raw}@127.0.0.1:{port}/{name}"], {}),
        "query of a url": (["--dsn", f"postgresql://{role}@127.0.0.1:{port}/{name}?password={encoded}"], {}),
        "conninfo": (["--dsn", conninfo], {}),
        "the last of two": (["--dsn", "host=/nonexistent", f"--dsn={conninfo}"], {}),
        "environment": ([], {"DATABASE_URL": url}),
        "variable of libpq": (["--dsn", without], {"PGPASSWORD": password}),
        "file that the DSN names": (["--dsn", f"{without} passfile={passfile}"], {}),
    }


def visible(process):
    """Return what every user of the machine may read of a process and its children."""
    command = ["ps", "-ww", "-o", "args=", "-p", str(process.pid), "--ppid", str(process.pid)]
    listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return listed + Path(f"/proc/{process.pid}/cmdline").read_text(encoding="utf-8")


def watch_a_run(command, arguments, env):
    """Run a job until it has started; return its exit code and everything that anybody could see of it."""
    process = subprocess.Popen(
        [*command, *arguments],
        env=environment(**env),
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
    for number, (way, (arguments, env)) in enumerate(ways(address, PASSWORD, tmp_path).items()):
        command = [*(COMMAND if number % 2 else SCRIPT), "run", str(path), "--http", "127.0.0.1:0"]
        code, shown = watch_a_run(command, arguments, env)
        assert code == 143, (way, shown)
        assert "job.yaml" in shown
        assert SECRET not in shown, way
    assert SECRET not in kept(database)


def kept(database):
    """Return all that the database keeps of jobs, and what it shows of sessions."""
    rows = database.query("select application_name, query from pg_stat_activity")
    for table in ("job", "checkpoint", "batch", "event", "rejected"):
        rows += database.query("select t::text from backfill." + table + " t")
    return str(rows)


def test_a_wrong_password_is_reported_without_it(address, tmp_path):
    run = ["run", write(tmp_path / "job.yaml"), "--http", "off"]
    commands = [run, ["status"], ["init"], [*run, "--json"], ["status"]]
    wrong = ways(address, WRONG, tmp_path)
    chosen = [wrong[way] for way in ("url", "query of a url", "conninfo", "the last of two", "variable of libpq")]

    def ask(command, way):
        arguments, env = way
        return backfill(*command, *arguments, env=environment(**env))

    with ThreadPoolExecutor(max_workers=3) as pool:
        ends = list(pool.map(ask, commands, chosen))
    for one in ends:
        assert one.code == 1
        assert "password authentication failed" in one.stderr
        assert SECRET not in one.stdout + one.stderr


def test_a_dsn_that_nobody_can_read_is_reported_without_its_password():
    dsns = [
        f"postgress://user:{SECRET}@127.0.0.1/name",
        f"postgresql://user:pw%{SECRET}@127.0.0.1/name",
        f"user=rot password=it's {SECRET}",
        f"postgresql://user:{SECRET}@[::1/name",
        f"postgresql://user:{SECRET}/{SECRET}@127.0.0.1/name",
        f"host=127.0.0.1 port=nosuch password={SECRET}",
    ]
    with ThreadPoolExecutor(max_workers=3) as pool:
        ends = list(pool.map(lambda dsn: backfill("status", "--dsn", dsn), dsns))
    for one in ends:
        assert one.code == 2
        assert one.stderr.startswith("backfill: the DSN cannot be parsed: ")
        assert SECRET not in one.stderr


LEAKS = {
    "the server": "host=db.example password=" + SECRET + " could not be reached",
    "a trigger": "connection to postgresql://app:" + SECRET + "@db.example/shop failed",
}
MODULE = """
def leak(rows):
    raise RuntimeError("postgresql://app:{secret}@db.example/shop does not answer")
"""


def test_what_others_say_of_their_own_passwords_is_not_passed_on(cluster, database, tmp_path):
    """Errors of the server, of a trigger and of a row function that quote a conninfo; a replica's own conninfo."""
    make_users(database, 5000)
    for name, said in zip(("leak_value", "leak_trigger"), LEAKS.values(), strict=True):
        returns = "text" if name == "leak_value" else "trigger"
        database.query(
            f"create function {name}() returns {returns} language plpgsql as $$ begin raise exception '{said}'"
            f" using hint = '{said}', detail = '{said}'; end $$"
        )
    database.query("create table triggered as select 1 as id, 'u' as username, null::text as handle")
    database.query("create trigger leaks before update on triggered for each row execute function leak_trigger()")
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (jobs / "leaks.py").write_text(MODULE.format(secret=SECRET))
    direct = f"host=127.0.0.1 port={cluster.replica_a.port} user=nobody dbname=x password={SECRET}"
    texts = {
        "a-value": JOB.replace(": username", ": leak_value()"),
        "b-trigger": JOB.replace("public.users", "triggered"),
        "c-function": JOB.replace(": username", ": python") + "python: {function: leaks:leak, inputs: [username]}\n",
        "d-conninfo": JOB.replace(
            "throttle:", f"throttle:\n  replicas: {{direct: ['host=h password={SECRET} pasword={SECRET}']}}"
        ),
        "d-percent": JOB.replace(
            "throttle:", f"throttle:\n  replicas: {{direct: ['postgresql://rot:{SECRET}%zz@h/shop']}}"
        ),
        "d-slash": JOB.replace(
            "throttle:", f"throttle:\n  replicas: {{direct: ['postgresql://rot:12/{SECRET}@h/shop']}}"
        ),
        "e-address": JOB.replace(
            "throttle:",
            f"throttle:\n  probes: [{{name: p, max: 1, prometheus: 'http://app:{SECRET}@p:9090', query: up}}]",
        ),
        "f-runs": SLOW.replace(
            "throttle:",
            f"throttle:\n  replicas: {{direct: ['{direct}']}}\n"
            "  probes: [{name: p, sql: leak_value()::float8, max: 1, every: 200ms}]",
        ),
    }
    for name, text in texts.items():
        write(jobs / f"{name}.yaml", text.replace("users-handle", name))
    process = subprocess.Popen(
        [*COMMAND, "serve", str(jobs), "--http", "127.0.0.1:0"],
        env=environment(DATABASE_URL=database.worker_dsn),
        stderr=subprocess.PIPE,
        text=True,
    )
    log, shown = [], ""
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        assert process.stderr is not None
        for line in process.stderr:
            log.append(json.loads(line))
            if log[-1]["event"] == "wait_started" and log[-1].get("job") == "f-runs":
                break
        port = next(line["port"] for line in log if line["event"] == "http_listening")
        for page in ("/status.json", "/metrics", "/"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=10) as answer:
                shown += answer.read().decode()
    finally:
        watchdog.cancel()
        process.terminate()
        _, rest = process.communicate(timeout=20)
    assert sorted(line["exit_code"] for line in log if line["event"] == "job_ended") == [1, 1, 1, 2, 2, 2, 2], log
    assert "f-runs" in shown
    assert SECRET not in json.dumps(log) + rest + shown
    assert SECRET not in kept(database)
    told = [
        ["status"],
        ["status", "--json"],
        ["status", "f-runs", "--explain"],
        ["tune", "f-runs"],
        ["tune", "f-runs", "--json"],
        *(["run", str(jobs / f"{name}.yaml"), "--json", "--http", "off"] for name in list(texts)[:7]),
        ["plan", str(jobs / "c-function.yaml")],
    ]
    for one in all_at_once(told, dsn=database.worker_dsn):
        assert SECRET not in one.stdout + one.stderr
