"""What others send is bounded: a server's message of 10 MB, and a Prometheus whose answer never ends."""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import suppress

import pytest

from tests.acceptance.command import backfill, write
from tests.acceptance.worker import JOB, left, make_users, run_job

SKIP = JOB + "on_row_error: skip\n"
LARGE = """
    create function refuse() returns trigger language plpgsql as $$ begin
        if new.id in (5, 700) then raise exception '%', repeat('x', 10000000); end if;
        return new;
    end $$;
    create trigger refuse before update on users for each row execute function refuse()
"""


@pytest.mark.long
def test_a_message_of_10_mb_is_cut_everywhere(database, tmp_path):
    make_users(database, 1000)
    database.query(LARGE)
    path = write(tmp_path / "job.yaml", SKIP)
    ended = backfill("run", path, "--http", "off", dsn=database.worker_dsn)
    assert ended.code == 3, ended.stderr[-1000:]
    assert "xxxx\\u2026 (10,0" in ended.stderr
    assert len(ended.stdout + ended.stderr) < 200_000
    for table in ("event", "rejected"):
        [(size,)] = database.query("select sum(length(t::text)) from backfill." + table + " t")
        assert 1000 < size < 50_000
    assert left(database) == 2
    for arguments in (["status"], ["status", "--json"], ["status", "users-handle", "--explain"]):
        assert len(backfill(*arguments, dsn=database.worker_dsn).stdout) < 100_000


def test_a_prometheus_that_drips_keeps_no_worker_alive(database, tmp_path):
    make_users(database, 1000)
    asked, over = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip(connection):
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                asked.set()
                while not over.wait(1.0):
                    connection.sendall(b" ")

        def accept():
            with suppress(OSError):
                while not over.is_set():
                    threading.Thread(target=drip, args=[listener.accept()[0]], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        probe = f"throttle:\n  probes: [{{name: p, max: 1, prometheus: '{url}', query: up}}]"
        path = write(tmp_path / "job.yaml", JOB.replace("throttle:", probe))
        try:
            with run_job(database.worker_dsn, path) as worker:
                worker.until("WaitStarted")
                assert asked.wait(30)
                worker.send(signal.SIGTERM)
                assert worker.end(20) == 143
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
