"""TLS to real servers: `sslmode=verify-full` runs a job to its end, and whatever is wrong with it is one line.

The embedded wheel's server is built without TLS, those of `tests.majors` with it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from backfill.sandbox import Sandbox, Server
from tests.acceptance.command import Ended, all_at_once, write
from tests.acceptance.worker import left, make_users, run_job, write_job
from tests.fixtures_postgres import Cluster
from tests.integration.jobs import run_sql
from tests.majors import binaries, why_absent
from tests.roles import employ

WORKER, PASSWORD = "worker", "s3cret"

pytestmark = [pytest.mark.majors(18), pytest.mark.timeout(120)]


@dataclass(frozen=True)
class Secured:
    """A server that takes TLS as `localhost`, the file of its CA, and that of another."""

    server: Server
    ca: Path
    other_ca: Path

    def dsn(self, **words: object) -> str:
        """Return conninfo of the worker over TCP, to the name that the certificate has unless it says otherwise."""
        given = {
            "host": "localhost",
            "hostaddr": "127.0.0.1",
            "port": self.server.port,
            "user": WORKER,
            "password": PASSWORD,
            "dbname": "postgres",
            "sslmode": "verify-full",
            "sslrootcert": self.ca,
        }
        return " ".join(f"{key}={value}" for key, value in (given | words).items() if value is not None)


@pytest.fixture(scope="module")
def secured(major: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    if reason := why_absent(major):
        pytest.skip(reason)
    authority, other = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("localhost")
    directory = tmp_path_factory.mktemp("tls")
    authority.cert_pem.write_to_path(directory / "ca.pem")
    other.cert_pem.write_to_path(directory / "other.pem")
    with Sandbox(binaries(major).directory) as sandbox:
        key, chain = sandbox.path / "server.key", sandbox.path / "server.pem"
        sandbox._open_workdir.write(key, certificate.private_key_pem.bytes().decode())
        sandbox._open_workdir.write(chain, "".join(one.bytes().decode() for one in certificate.cert_chain_pems))
        server = sandbox.primary(
            settings={"ssl": "on", "ssl_cert_file": str(chain), "ssl_key_file": str(key), "shared_buffers": "16MB"}
        )
        employ(server.dsn, WORKER)
        run_sql(server, f"alter role {WORKER} password '{PASSWORD}'")
        yield Secured(server, directory / "ca.pem", directory / "other.pem")


def test_a_job_runs_to_its_end_over_tls_in_all_its_sessions(secured: Secured, tmp_path: Path):
    make_users(secured.server, 20_000)
    probe = "probes: [{name: active, sql: SELECT 1, max: 5, every: 200ms}]"
    job = write_job(tmp_path, **{"max_wal_rate: 1GB/s": f"max_wal_rate: 1MB/s\n  {probe}"})
    sessions = (
        "select application_name, ssl, version from pg_stat_ssl join pg_stat_activity using (pid)"
        " where application_name like 'backfill:%%'"
    )
    with run_job(secured.dsn(), job) as worker:
        worker.until("BatchDone")
        found = secured.server.query(sessions)
        assert worker.end() == 0, worker.stderr
    assert left(secured.server) == 0
    assert {name.split("@")[0] for name, _, _ in found} == {"backfill:users-handle", "backfill:ask"}
    assert {(ssl, version) for _, ssl, version in found} == {(True, "TLSv1.3")}


def refused(directory: Path, *dsns: str) -> list[Ended]:
    """Return how `status` ends for each, and last how `run` does for the last one: soon, in one line, with 1."""
    path, began_s = write(directory / "job.yaml"), time.monotonic()
    run = ["run", str(path), "--json", "--http", "off"]
    ends = all_at_once(
        [[*command, "--dsn", dsn] for command, dsn in [*((["status"], one) for one in dsns), (run, dsns[-1])]]
    )
    assert time.monotonic() - began_s < 30
    for one in ends:
        assert one.code == 1, one
        assert one.stderr.startswith("backfill: connection failed: connection to server at ")
        assert one.stderr.count("\n") == 1
        assert PASSWORD not in one.stdout + one.stderr
    return ends


def test_a_certificate_that_proves_nothing_is_reported_with_what_would(secured: Secured, tmp_path: Path):
    missing = tmp_path / "missing.pem"
    said = {
        secured.dsn(sslrootcert=secured.other_ca): (
            "certificate verify failed; give sslrootcert=FILE with the CA that signed the server's certificate"
        ),
        secured.dsn(host="db.example"): (
            'server certificate for "localhost" does not match host name "db.example";'
            " give a host that the certificate names; hostaddr=ADDRESS says where it is"
        ),
        secured.dsn(sslrootcert=missing): 'root certificate file "***" does not exist',
    }
    words = [*said.values(), [*said.values()][-1]]
    for expected, one in zip(words, refused(tmp_path, *said), strict=True):
        assert expected in one.stderr


def test_a_server_without_tls_is_not_taken_for_one_that_has_it(secured: Secured, tmp_path: Path, cluster: Cluster):
    dsns = [secured.dsn(port=cluster.primary.port, sslmode=mode) for mode in ("require", "verify-full")]
    for one in refused(tmp_path, *dsns):
        assert one.stderr.endswith(
            " server does not support SSL, but SSL was required;"
            " switch TLS on there (ssl = on), or do not ask for it: sslmode=prefer\n"
        )


def test_a_server_that_goes_silent_in_mid_handshake_does_not_hang_it(secured: Secured, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        [one] = all_at_once([["status", "--dsn", secured.dsn(port=silent.getsockname()[1], connect_timeout=2)]])
    assert one.code == 1
    assert "timeout" in one.stderr
