"""What is wrong is told at its place before anything is touched: exit 2, one sentence, no traceback."""

from __future__ import annotations

import re
import socket

import pytest

from backfill.cli.options import parse_http
from backfill.values.errors import JobError
from tests.acceptance.command import all_at_once, backfill, fingerprint, refusals, write
from tests.acceptance.worker import JOB, left, make_users

NOWHERE = "host=127.0.0.1 port=1 user=nobody dbname=nowhere"
"""A command that looks at its files first never finds out that nobody answers there."""

FILES = {
    "typo": (JOB.replace("throttle:", "throtle:").encode(), "6:1: unknown key 'throtle'; did you mean 'throttle'?"),
    "type": (JOB.replace("handle IS NULL", "[1, 2]").encode(), "5:8: 'where' is a list; write an SQL expression"),
    "unit": (JOB.replace("1GB/s", "1GiB/s").encode(), "7:17: 'max_wal_rate' is not a rate: '1GiB/s'; write a size"),
    "bare": (JOB.replace("1GB/s", "10").encode(), "7:17: 'max_wal_rate' is not a rate: '10'"),
    "limit": (JOB.encode() + b"batch: {rows: 0}\n", "8:15: 'rows' is '0'; allowed are 1 to 1000000"),
    "duplicate": (JOB.encode() + b"where: 'true'\n", "8:1: duplicate key 'where'; it is on line 5 already"),
    "two": (
        JOB.replace(": username", ": username; DROP TABLE users").encode(),
        "4:19: two statements in one expression",
    ),
    "open": (JOB.replace(": username", ": (username").encode(), "4:11: '(' is never closed"),
    "statement": (JOB.replace(": username", ": SELECT 1").encode(), "4:11: 'select' begins a statement"),
    "tab": (JOB.replace("  handle", "\thandle").encode(), "4:1: not YAML: a tab"),
    "second": (JOB.encode() + b"---\nname: b\n", "8:1: a second document"),
    "list": (b"- a\n", "1:1: the file is a list, not a mapping"),
    "empty": (b"", "1:1: the file is empty; a job file has at least name, table, set and where"),
    "latin": (JOB.encode() + "# größer\n".encode("latin-1"), "1:1: not UTF-8 at byte "),
    "binary": (bytes(range(256)) * 40, "1:1: not UTF-8 at byte 128"),
    "join": (JOB.encode() + b"using: {table: users, on: id = id}\n", "8:16: 'users' would name two tables; give the"),
    "control": (JOB.encode() + b"# \x00\n", "8:3: character U+0000 is not allowed in a job file"),
}
"""Names, contents, and what is said of them behind the file's name."""


def test_a_wrong_file_is_reported_at_its_line_and_column_before_any_database_is_asked(tmp_path):
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    for name, (content, _) in FILES.items():
        (jobs / f"{name}.yaml").write_bytes(content)
    said = refusals(jobs, NOWHERE, len(FILES))
    for name, (_, expected) in FILES.items():
        assert said[name].startswith(expected), name
        assert "\n" not in said[name]
    good, missing = write(tmp_path / "good.yaml"), tmp_path / "missing.yaml"
    commands = [["run", good, jobs / "typo.yaml"], ["plan", jobs / "typo.yaml"], ["run", good, missing], ["run", jobs]]
    *typos, absent, folder = all_at_once(commands, dsn=NOWHERE)
    for one in typos:
        assert (one.code, one.stdout) == (2, "")
        assert one.stderr == f"backfill: {jobs}/typo.yaml:6:1: unknown key 'throtle'; did you mean 'throttle'?\n"
    assert (absent.code, absent.stdout) == (folder.code, folder.stdout) == (2, "")
    assert absent.stderr == f"backfill: {missing}: cannot be read: no such file or directory\n"
    assert folder.stderr == f"backfill: {jobs}: cannot be read: is a directory\n"


def test_every_mistake_of_a_file_is_reported_at_once_in_the_order_of_the_file(tmp_path):
    text = JOB.replace("users-handle", "Users Handle").replace("username", "username,").replace("1GB/s", "1")
    path = write(tmp_path / "job.yaml", text + "batch: {rows: no}\n")
    ended = backfill("plan", path, dsn=NOWHERE)
    assert ended.code == 2
    places = re.findall(rf"^backfill: {path}:(\d+):\d+: ", ended.stderr, re.MULTILINE)
    assert places == ["1", "4", "7", "8"]


SERVER_SIDE = {
    "column": (
        JOB.replace("  handle:", "  hadnle:"),
        "4:3: table 'public.users' has no column 'hadnle'; did you mean",
    ),
    "source": (JOB.replace(": username", ": username || usrname"), '4:23: column "usrname" does not exist'),
    "syntax": (JOB.replace(": username", ": username username 1"), '4:20: syntax error at or near "username"'),
    "types": (
        JOB.replace(": username", ": now() + 1"),
        "4:17: operator does not exist: timestamp with time zone + integer",
    ),
    "assign": (JOB.replace("  handle: username", "  id: username"), '4:7: column "id" is of type bigint but'),
    "boolean": (
        JOB.replace("handle IS NULL", "handle"),
        "5:8: argument of WHERE must be type boolean, not type text",
    ),
    "aggregate": (
        JOB.replace(": username", ": max(username)"),
        "4:11: aggregate functions are not allowed in UPDATE",
    ),
    "constant": (JOB.replace(": username", ": (1 / 0)::text"), "4:11: division by zero"),
    "generated": (
        JOB.replace("  handle: username", "  doubled: 1"),
        "4:3: column 'doubled' is generated by the server",
    ),
    "view": (JOB.replace("public.users", "users_view"), "2:8: table 'public.users_view' is a view; only ordinary"),
    "mview": (JOB.replace("public.users", "users_mview"), "2:8: table 'public.users_mview' is a materialized view"),
    "sequence": (JOB.replace("public.users", "users_sequence"), "2:8: table 'public.users_sequence' is a sequence"),
    "index": (JOB.replace("public.users", "users_pkey"), "2:8: table 'public.users_pkey' is an index"),
    "partitioned": (
        JOB.replace("public.users", "parts"),
        "4:3: column 'handle' is in the partition key of 'public.parts'",
    ),
    "system": (
        JOB.replace("public.users", "pg_catalog.pg_class"),
        "2:8: table 'pg_catalog.pg_class' belongs to the system",
    ),
    "joined": (
        JOB + "using: {table: acounts, on: user_id = users.id}\n",
        "8:16: table 'public.acounts' does not exist in database '",
    ),
    "joined_index": (
        JOB + "using: {table: users_pkey, on: user_id = users.id}\n",
        "8:16: table 'public.users_pkey' is an index; tables, views and materialized views can be joined",
    ),
    "joined_on": (
        JOB + "using: {table: accounts, on: user_id = users.di}\n",
        "8:40: column users.di does not exist",
    ),
    "joined_both": (
        JOB + "using: {table: users, as: other, on: other.id = users.id}\n",
        '4:11: column reference "username" is ambiguous',
    ),
    "missing": (
        JOB.replace("public.users", "public.uesrs"),
        "2:8: table 'public.uesrs' does not exist in database '",
    ),
    "folded": (
        JOB.replace("public.users", "'public.\"Users\"'"),
        "2:9: table 'public.\"Users\"' does not exist in database '",
    ),
}
"""Names, jobs that only the server can find fault with, and what is said of them."""


@pytest.mark.oldest
def test_what_only_the_server_knows_is_reported_at_its_place_too_and_nothing_is_touched(database, tmp_path):
    make_users(database, 200)
    database.query("alter table users add column doubled bigint generated always as (id * 2) stored")
    database.query("create view users_view as select * from users")
    database.query("create materialized view users_mview as select * from users")
    database.query("create sequence users_sequence")
    database.query("create table accounts (user_id bigint, nick text)")
    database.query("create table parts (id int, handle text, username text) partition by list (handle)")
    before = fingerprint(database)
    for name, (text, _) in SERVER_SIDE.items():
        write(tmp_path / f"{name}.yaml", text)
    said = refusals(tmp_path, database.worker_dsn, len(SERVER_SIDE))
    for name, (_, expected) in SERVER_SIDE.items():
        assert said[name].startswith(expected), name
    path = tmp_path / "source.yaml"
    ends = all_at_once([["run", path, "--json", "--http", "off"], ["plan", path]], dsn=database.worker_dsn)
    for one in ends:
        assert one.code == 2
        assert one.stderr.startswith(f'backfill: {path}:4:23: column "usrname" does not exist')
    assert fingerprint(database) == before


def test_a_where_that_stays_true_is_shown_by_a_row_and_its_batch_is_rolled_back(database, tmp_path):
    make_users(database, 3000)
    [before] = database.query(
        "select md5(string_agg(ctid::text || xmin::text || u::text, ',' order by ctid)) from users u"
    )
    path = write(tmp_path / "job.yaml", JOB.replace("handle IS NULL", "length(username) > 0"))
    json_run = backfill("run", path, "--json", "--http", "off", dsn=database.worker_dsn)
    plain_run = backfill("run", path, "--http", "off", dsn=database.worker_dsn)
    assert (json_run.code, plain_run.code) == (2, 2)
    sample = 'for example row {"id": 1}: {"handle": null} → {"handle": "user1"}'
    assert sample in json_run.stderr
    assert "which was rolled back" in json_run.stderr
    assert '"exit_code": 2' in plain_run.stderr
    assert [before] == database.query(
        "select md5(string_agg(ctid::text || xmin::text || u::text, ',' order by ctid)) from users u"
    )
    assert database.query("select name from backfill.job") == []
    shown = backfill("status", "users-handle", dsn=database.worker_dsn)
    assert (shown.code, shown.stdout) == (2, "")


def test_no_database_given_names_the_demo(tmp_path):
    path = write(tmp_path / "job.yaml")
    for one in all_at_once([["run", path], ["serve", tmp_path], ["status"]]):
        assert one.code == 2
        assert one.stderr.startswith("backfill: no database given; use --dsn, DATABASE_URL or ")
        assert one.stderr.endswith("backfill demo\n")


def test_a_wrong_address_database_role_or_password_ends_soon_with_1(database, tmp_path):
    path = write(tmp_path / "job.yaml")
    port = database.primary.port
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsns = {
            "host=127.0.0.1 port=1 user=u password=hunter2": "Connection refused",
            "host=nosuch.invalid user=u password=hunter2": "failed to resolve host 'nosuch.invalid'",
            "host=/nonexistent user=u password=hunter2": "No such file or directory",
            f"postgresql://postgres:hunter2@127.0.0.1:{port}/postgres": 'password authentication failed for user "postgres"',
            f"{database.dsn} dbname=nosuch": 'database "nosuch" does not exist',
            f"{database.dsn} user=nosuch": 'role "nosuch" does not exist',
            f"host=127.0.0.1 port={silent.getsockname()[1]} user=u password=hunter2 connect_timeout=1": "timeout",
        }
        # Of `run`, which tries again for a second, one of each kind; a server that never answers is tried for 2 s.
        run = ["run", str(path), "--json", "--http", "off"]
        commands = [run, ["status"], ["status"], run, ["plan", str(path)], ["init"], ["status"]]
        ends = all_at_once([[*command, "--dsn", dsn] for command, dsn in zip(commands, dsns, strict=True)])
    for said, one in zip(dsns.values(), ends, strict=True):
        assert one.code == 1
        assert said in one.stderr
        assert one.stderr.startswith("backfill: ")
        assert "hunter2" not in one.stdout + one.stderr


def test_a_standby_is_refused_as_one(cluster, database, tmp_path):
    make_users(database, 10)
    cluster.replica_a.wait_replayed()
    path = write(tmp_path / "job.yaml")
    standby = cluster.replica_a.dsn_for(dbname=database.name)
    before = fingerprint(database)
    for one in all_at_once([["run", path, "--json", "--http", "off"], ["init"]], dsn=standby):
        assert one.code in (1, 4)
        assert re.search("standby|read-only", one.stderr)
    assert fingerprint(database) == before


def test_an_http_address_that_is_none_or_taken_is_refused_before_the_job_begins(database, tmp_path):
    make_users(database, 200)
    before = fingerprint(database)
    path = write(tmp_path / "job.yaml")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:" + str(taken.getsockname()[1])
        refused, in_use, elsewhere = all_at_once(
            [["run", path, "--json", "--http", one] for one in ("127.0.0.1:²", address, "nosuch.invalid:9000")],
            dsn=database.worker_dsn,
        )
    assert refused.code == 2
    assert refused.stderr == (
        "backfill: not an address: --http '127.0.0.1:²'; write HOST:PORT such as 127.0.0.1:9464, or off\n"
    )
    assert in_use.code == elsewhere.code == 2
    assert in_use.stderr == (
        f"backfill: cannot listen on {address}: the port is in use; choose another address with --http HOST:PORT\n"
    )
    assert elsewhere.stderr.startswith("backfill: cannot listen on nosuch.invalid:9000: ")
    assert in_use.stdout == elsewhere.stdout == ""
    assert fingerprint(database) == before


@pytest.mark.parametrize(
    "text", ["", "nonsense", "9464", ":9464", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:٣", "OFF"]
)
def test_nothing_but_a_host_and_a_port_is_an_address(text):
    with pytest.raises(JobError, match=f"not an address: --http {re.escape(repr(text))}; write HOST:PORT such as"):
        parse_http(text)


def test_a_default_http_address_that_is_taken_is_reported_and_the_job_goes_on(database, tmp_path):
    make_users(database, 200)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 9464))
            taken.listen()
        except OSError:
            pass  # somebody else has it: as good
        ended = backfill("run", write(tmp_path / "job.yaml"), "--json", dsn=database.worker_dsn)
    assert ended.code == 0
    assert ended.stderr.startswith(
        "backfill: continuing without metrics: cannot listen on 127.0.0.1:9464: the port is in use"
    )
    assert left(database) == 0


def test_unknown_words_of_the_command_line_end_with_2_and_say_which(tmp_path):
    path = write(tmp_path / "job.yaml")
    commands = {
        ("frobnicate",): "'frobnicate'",
        ("run", "--frobnicate", path): "--frobnicate",
        ("run", path, "--http"): "--http",
        ("run", ""): "cannot be read: is a directory",
        ("serve", ""): "'' is not a directory",
        ("serve", tmp_path / "nodir"): "nodir: cannot be read: no such file or directory",
        ("serve", path): "job.yaml: cannot be read: not a directory",
    }
    for said, one in zip(commands.values(), all_at_once(list(commands), dsn=NOWHERE), strict=True):
        assert one.code == 2
        assert said in one.stderr
        assert one.stdout == ""


def test_status_knows_a_database_without_jobs_from_a_job_that_is_not_there(database):
    for _ in range(2):
        none, unknown = all_at_once([["status"], ["status", "users-handle"]], dsn=database.worker_dsn)
        assert (none.code, none.stdout) == (0, "no job has run in this database\n")
        assert (unknown.code, unknown.stdout) == (2, "")
        assert unknown.stderr == "backfill: no job 'users-handle' in this database; backfill status lists all\n"
        database.query("drop schema if exists backfill cascade")


@pytest.fixture
def role(database):
    """A role that may do nothing but connect, gone at the end."""
    name = f'Few "rights" {database.name}'
    quoted = '"' + name.replace('"', '""') + '"'
    database.query(f"create role {quoted} login")
    yield name, quoted
    database.query(f"drop owned by {quoted} cascade")
    database.query(f"drop role {quoted}")


@pytest.mark.timeout(120)
def test_each_missing_right_is_reported_with_the_statement_that_gives_it_until_the_job_runs(database, tmp_path, role):
    make_users(database, 100)
    database.query("drop schema backfill cascade")
    database.query("create schema shop")
    database.query("alter table users set schema shop")
    path = write(tmp_path / "job.yaml", JOB.replace("public.users", "shop.users"))
    name, quoted = role
    dsn = database.dsn_for(user=name)
    before, told = fingerprint(database, "shop.users"), []
    for _ in range(8):
        ended = backfill("run", path, "--json", "--http", "off", dsn=dsn)
        if ended.code == 0:
            break
        assert ended.code in (2, 4), ended
        statement = re.search("run: (GRANT .*;)$", ended.stderr.strip())
        if statement:
            told.append(statement[1])
        else:
            assert "backfill init --print --role " + quoted in ended.stderr
            told.append(backfill("init", "--print", "--role", name).stdout)
        assert fingerprint(database, "shop.users") == before
        database.query(told[-1])
        before = fingerprint(database, "shop.users")
    assert ended.code == 0, ended
    assert told[:4] == [
        f"GRANT pg_monitor TO {quoted};",
        f"GRANT USAGE ON SCHEMA shop TO {quoted};",
        f"GRANT SELECT, UPDATE (handle) ON shop.users TO {quoted};",
        told[-1],
    ]
    assert database.query("select count(*) from shop.users where handle is distinct from username") == [(0,)]


def test_plan_writes_nothing_whoever_asks(database, tmp_path, role):
    make_users(database, 500)
    database.query("drop schema backfill cascade")
    name, quoted = role
    database.query(
        f"grant select on users to {quoted}; grant update (handle) on users to {quoted}; grant pg_monitor to {quoted}"
    )
    before = fingerprint(database)
    path = write(tmp_path / "job.yaml")
    ends = [backfill("plan", path, dsn=database.dsn_for(user=name)), backfill("plan", path, "--json", dsn=database.dsn)]
    assert [one.code for one in ends] == [4, 0], ends
    assert fingerprint(database) == before
    assert "this role may not create it; see backfill init --print" in ends[0].stdout
