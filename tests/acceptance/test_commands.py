"""Each command as a user meets it: its help, its answers for people and machines, and surroundings that are odd."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backfill.cli.root import app
from backfill.values.exit_codes import MEANINGS
from tests.acceptance.command import all_at_once, backfill, environment, fingerprint, job_text, write
from tests.acceptance.worker import COMMAND, JOB, left, make_users, run_job

COMMANDS = (
    *("run", "serve", "plan", "status", "report", "pause", "resume", "cancel", "tune", "forget", "init", "schema"),
    "demo",
)
SCHEMA = Path(__file__).parents[2] / "jobs/job.schema.json"


def test_the_help_of_each_command_says_how_it_ends_or_what_comes_next():
    [everything, installed] = all_at_once([["--help"], ["run", "--help"]])
    for name in COMMANDS:
        # The same words without the start of a process, which is most of what they cost.
        shown = CliRunner().invoke(app, [name, "--help"], prog_name="backfill")
        assert shown.exit_code == 0
        assert shown.stdout.lstrip().startswith(f"Usage: backfill {name}")
        assert "Exit codes: " in shown.stdout or "Next" in shown.stdout, name
        assert name in everything.stdout
    words = " ".join(installed.stdout.split())
    assert words.startswith("Usage: backfill run ")
    assert all(f"{code:d} {meaning}" in words for code, meaning in MEANINGS.items())


def test_schema_prints_what_editors_find_beside_the_jobs():
    printed = backfill("schema")
    assert printed.code == 0
    assert printed.stdout == SCHEMA.read_text(encoding="utf-8")


@pytest.fixture
def role(database):
    """A role whose name needs its quotes, gone at the end."""
    name = f'A "worker" {database.name}'
    database.query(f"create role {quoted(name)} login")
    yield name
    database.query(f"drop owned by {quoted(name)} cascade")
    database.query(f"drop role {quoted(name)}")


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def test_what_init_prints_is_what_init_does_may_be_run_again_and_suffices_for_a_job(database, tmp_path, role):
    make_users(database, 500)
    database.query("drop schema backfill cascade")
    printed = backfill("init", "--print", "--role", role)
    assert printed.code == 0
    for _ in range(2):
        database.query(printed.stdout)
    made = database.query(SHAPE)
    database.query("drop schema backfill cascade")
    for _ in range(2):
        done = backfill("init", "--role", role, dsn=database.dsn)  # as the DBA would
        assert (done.code, done.stdout) == (0, f'schema "backfill" is ready; privileges granted to role "{role}"\n')
    assert database.query(SHAPE) == made
    database.query(f"grant select (id, username, handle), update (handle) on users to {quoted(role)}")
    database.query(f"grant select on users to {quoted(role)}")
    with run_job(database.dsn_for(user=role), write(tmp_path / "job.yaml")) as worker:
        assert worker.end() == 0, worker.stderr
    assert left(database) == 0


SHAPE = """
    select c.relname, c.relacl::text, a.attname, format_type(a.atttypid, a.atttypmod), obj_description(c.oid)
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = 'backfill'::regnamespace and a.attnum > 0 order by 1, 3
"""


def test_plan_and_status_answer_people_and_machines_alike(database, tmp_path):
    make_users(database, 500)
    path = write(tmp_path / "job.yaml")
    before = fingerprint(database)
    text, plan = all_at_once([["plan", path], ["plan", path, "--json"]], dsn=database.worker_dsn)
    assert fingerprint(database) == before
    planned = json.loads(plan.stdout)
    table = planned["table"]
    assert (planned["job"], table["name"], table["key"]) == ("users-handle", "public.users", ["id"])
    assert sorted(planned["replicas"]) == ["replica-a", "replica-b"]
    for title, statement in planned["sql"]["statements"]:
        assert f"-- {title}\n{statement};" in text.stdout
    assert "Tid Range Scan on users" in text.stdout
    with run_job(database.worker_dsn, path) as worker:
        assert worker.end() == 0
    commands = [
        ["status"],
        ["status", "users-handle", "--json"],
        ["status", "--watch"],
        ["status", "--watch", "--explain", "x"],
    ]
    text, one, watched, refused = all_at_once(commands, dsn=database.worker_dsn)
    assert (watched.code, watched.stdout.splitlines()[0]) == (0, text.stdout.splitlines()[0]), "it ends with its jobs"
    assert (refused.code, "--watch and --explain exclude each other" in refused.stderr) == (2, True)
    told = json.loads(one.stdout)
    assert (told["state"], told["rows_total"], told["progress_ratio"], told["worker"]) == ("done", 500, 1.0, None)
    assert text.stdout.splitlines()[1].split()[:6] == ["users-handle", "public.users", "done", "1", "100.0%", "500"]


def test_a_job_may_be_run_again_with_other_limits_but_not_with_another_where(database, tmp_path):
    make_users(database, 1000)
    path = write(tmp_path / "job.yaml")

    def run(*arguments):
        with run_job(database.worker_dsn, path, *arguments) as worker:
            return worker.end(), worker

    code, worker = run()
    assert code == 0, worker.stderr
    before = database.query("select md5(string_agg(ctid::text || xmin::text, ',' order by ctid)) from users")
    code, worker = run()
    assert (code, worker.all_of("BatchDone")) == (0, [])
    write(path, JOB.replace("1GB/s", "2GB/s") + "lock_timeout: 2s\nbatch: {rows: 10}\n# and a comment\n")
    code, worker = run()
    assert (code, worker.all_of("BatchDone")) == (0, [])
    assert worker.all_of("Started")[0]["max_wal_rate_bytes_s"] == 2 * 1024**3
    write(
        path,
        JOB.replace("handle IS NULL", "handle IS DISTINCT FROM upper(username)").replace(
            ": username", ": upper(username)"
        ),
    )
    code, worker = run()
    assert code == 2
    first, *difference = worker.stderr.splitlines()
    assert first.startswith(f"backfill: {path}:")
    assert first.endswith(": job 'users-handle' was started with another file")
    assert "backfill: - where: handle IS NULL" in difference
    assert "backfill: + where: handle IS DISTINCT FROM upper(username)" in difference
    assert "--restart" in worker.stderr
    assert database.query("select state from backfill.job") == [("done",)]
    assert database.query("select md5(string_agg(ctid::text || xmin::text, ',' order by ctid)) from users") == before
    code, worker = run("--restart")
    assert code == 0, worker.stderr
    assert worker.all_of("Finished")[0]["rows_total"] == 1000
    assert database.query("select count(*) from users where handle is distinct from upper(username)") == [(0,)]


def test_several_jobs_run_in_turn_and_a_row_left_in_any_of_them_is_not_forgotten(database, tmp_path):
    for name in "abc":
        database.query(
            f"create table {name} as select i as id, 'u' || i as username, null::text as handle from generate_series(1, 99) i"
        )
    database.query("update a set username = null where id = 7")
    paths = [
        write(tmp_path / f"{name}.yaml", job_text(f"job-{name}", name, {"handle": "username"}, "handle IS NULL"))
        for name in "abc"
    ]
    with run_job(database.worker_dsn, paths[0], str(paths[1])) as worker:
        assert worker.end() == 3, worker.stderr
    assert [(one["job"], one["state"]) for one in worker.all_of("Finished")] == [
        ("job-a", "unconverged"),
        ("job-b", "done"),
    ]
    database.query("drop table b")
    with run_job(database.worker_dsn, paths[0], str(paths[1]), str(paths[2])) as worker:
        assert worker.end() == 2
    assert database.query("select count(handle) from c") == [(0,)]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_ends_stops_the_run_at_its_checkpoint(database, tmp_path, stream):
    make_users(database, 5000)
    path = write(tmp_path / "job.yaml", JOB.replace("1GB/s", "500kB/s"))
    process = subprocess.Popen(
        [*COMMAND, "run", str(path), "--http", "off", *(["--json"] if stream == "stdout" else [])],
        env=environment(DATABASE_URL=database.worker_dsn),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lost = getattr(process, stream)
    assert '"job": "users-handle"' in lost.readline()
    lost.close()
    setattr(process, stream, None)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 141, stderr
    assert "Traceback" not in (stdout or "") + (stderr or "")
    if stream == "stdout":
        assert stderr == (
            "backfill: stopped by SIGPIPE (output cannot be written: broken pipe);"
            " the checkpoint stands, run again to go on\n"
        )
    [(state, rows_total)] = database.query(
        "select state, coalesce(rows_total, 0) from backfill.job left join backfill.checkpoint on job = name"
    )
    [(batch_result,)] = database.query("select count(*) from users where handle is not null")
    assert (state, rows_total) == ("stopped", batch_result)
    if stream == "stdout":
        assert backfill("run", write(path), "--http", "off", dsn=database.worker_dsn).code == 0
        assert left(database) == 0


def test_streams_homes_languages_and_directories_may_be_missing(database, tmp_path):
    make_users(database, 200)
    path = write(tmp_path / "job.yaml")
    gone = tmp_path / "gone"
    gone.mkdir()
    ascii_only = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    plain = environment(DATABASE_URL=database.worker_dsn)
    run = [*COMMAND, "run", str(path), "--http", "off"]

    def shell(script, *command, env=plain, **options):
        ended = subprocess.run(
            ["sh", "-c", script, "sh", *command], env=env, capture_output=True, check=False, timeout=60, **options
        )
        said = ended.stdout.decode() + ended.stderr.decode()
        assert "Traceback" not in said, said
        return ended.returncode, said

    assert shell('exec "$@" >&-', *run, "--json") == (0, "")
    assert shell('exec "$@" >&- 2>&- <&-', *run) == (0, "")
    assert left(database) == 0
    code, said = shell('cd "$0" && rmdir "$0" && exec "$@"'.replace("$0", str(gone)), *run)
    assert (code, '"state": "done"' in said) == (0, True), said
    code, said = shell('exec "$@" > /dev/full', *COMMAND, "status", "--json")
    assert (code, said) == (1, "backfill: output cannot be written: no space left on device\n")
    database.query("create table \"naïve →\" as select 1 as id, 'u' as username, null::text as handle")
    odd = write(tmp_path / "odd.yaml", job_text("odd", '"naïve →"', {"handle": "username || '→'"}, "handle IS NULL"))
    env = environment(DATABASE_URL=database.worker_dsn, HOME=None, PATH=None, **ascii_only)
    for one in all_at_once([["plan", odd], ["run", odd, "--json", "--http", "off"], ["run", "--help"]], env=env):
        assert one.code == 0, one
    assert backfill("status", env=env).code == 0
    assert database.query('select handle from "naïve →"') == [("u→",)]


def test_a_signal_ends_a_command_whose_server_does_not_answer(tmp_path):
    path = write(tmp_path / "job.yaml")
    commands = {
        signal.SIGTERM: (["run", str(path), "--http", "off", "--json"], 143),
        signal.SIGINT: (["status"], -signal.SIGINT),
    }
    for number, (arguments, code) in commands.items():
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.settimeout(30)
            dsn = f"host=127.0.0.1 port={silent.getsockname()[1]} user=u dbname=d connect_timeout=60"
            process = subprocess.Popen(
                [*COMMAND, *arguments],
                env=environment(DATABASE_URL=dsn),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                asked, _ = silent.accept()
                with asked:
                    process.send_signal(number)
                    _, stderr = process.communicate(timeout=10)
            finally:
                process.kill()
                process.communicate()
        assert process.returncode == code
        assert stderr in ("", "backfill: stopped by SIGTERM; the checkpoint stands, run again to go on\n")
