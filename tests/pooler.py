"""PgBouncer before a server of a sandbox: a process with a configuration and a port of its own, gone with the sandbox.

Nothing but what is asked for differs from its defaults. `why_absent` says why there is none to run.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, LiteralString, Self

from backfill.sandbox import Sandbox, Server
from backfill.sandbox.conninfo import conninfo
from backfill.sandbox.query import query
from backfill.sandbox.server import _free_port
from backfill.sandbox.wait import wait_until

_READY_S = 10.0


def find_pgbouncer() -> Path | None:
    """Return the program; Debian keeps it where only root looks."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    return Path(found) if found else None


def why_absent() -> str | None:
    """Return why no pooler can be run here, None when one can."""
    return None if find_pgbouncer() else "there is no pgbouncer here; apt-get install pgbouncer"


class Pooler:
    """A context manager; the superuser goes through it as `auth` says, to a server that knows the password.

    Args:
        mode: what it hands out: `session`, `transaction` or `statement`.
        auth: `trust`, or `scram-sha-256` with the superuser's password.
        settings: more of its configuration.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        server: Server,
        *,
        mode: str = "session",
        auth: str = "trust",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.port = _free_port()
        self._server = server
        self._workdir = sandbox._open_workdir
        self._place = sandbox.path / f"pooler-{self.port}"
        self._pid: int | None = None
        self._password = server.password if auth != "trust" else None
        self._settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": auth,
            "auth_file": str(self._place.with_suffix(".users")),
            "admin_users": "postgres",
            "pool_mode": mode,
        } | dict(settings or {})

    def __enter__(self) -> Self:
        self._workdir.write(self._place.with_suffix(".users"), f'"postgres" "{self._server.password}"\n')
        lines = [f"* = host=127.0.0.1 port={self._server.port}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in self._settings.items()]
        self._workdir.write(self._place.with_suffix(".ini"), "\n".join(["[databases]", *lines]) + "\n")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def dsn(self, dbname: str) -> str:
        """Conninfo of the superuser through the pooler."""
        return conninfo(host="127.0.0.1", port=self.port, user="postgres", dbname=dbname, password=self._password)

    def start(self) -> None:
        """Start it and return when it takes connections; nothing when it runs."""
        if self.running:
            return
        program, log = find_pgbouncer(), self._place.with_suffix(".log")
        assert program is not None, why_absent()
        self._pid = self._workdir.start(str(program), str(self._place.with_suffix(".ini")), log=log)
        wait_until(lambda: self._listens() or not self.running, "the pooler is ready or gone", _READY_S)
        assert self.running, log.read_text()

    def kill(self) -> None:
        """SIGKILL: every connection through it is gone."""
        if self._pid is not None and self.running:
            os.kill(self._pid, signal.SIGKILL)
            wait_until(lambda: not self.running, "the pooler is dead", _READY_S)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing moves."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        self._send(signal.SIGCONT)

    def admin(self, command: LiteralString) -> list[tuple[Any, ...]]:
        """Run a command of its console, such as `show pools` or `set pool_mode = 'transaction'`."""
        return query(self.dsn("pgbouncer"), command)

    @property
    def running(self) -> bool:
        """Whether its process lives, frozen or not."""
        return self._pid is not None and self._workdir.exit_code(self._pid) is None

    def _send(self, number: signal.Signals) -> None:
        if self._pid is not None and self.running:
            os.kill(self._pid, number)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
