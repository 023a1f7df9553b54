"""One PostgreSQL server of a sandbox: its life as a process, its settings, and the ways to reach it.

Every method returns when the thing has happened, or raises BackfillError within a bound.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
from typing import TYPE_CHECKING, Any, LiteralString

from backfill.sandbox import janitor
from backfill.sandbox.conninfo import conninfo
from backfill.sandbox.query import query
from backfill.sandbox.wait import wait_until
from backfill.values.errors import BackfillError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backfill.sandbox.link import Link
    from backfill.sandbox.workdir import Workdir

# Below the ports that systems hand out by themselves: a stopped server finds its own still free.
_PORTS = range(20_000, 32_000)
_PORT_ATTEMPTS = 8
_START_S, _FAST_STOP_S, _QUICK_S = 60.0, 10.0, 10.0


class Server:
    """A server with a data directory; `Sandbox.primary` and `Sandbox.standby` make them."""

    def __init__(self, workdir: Workdir, name: str, password: str) -> None:
        self.name = name
        self.data = workdir.path / name
        self.log = workdir.path / f"{name}.log"
        self.port: int | None = None  # chosen at the first start, then kept
        self.password = password
        self._workdir = workdir
        self._pid: int | None = None

    @property
    def dsn(self) -> str:
        """Conninfo of the superuser over the Unix socket, without a password."""
        return self.dsn_for()

    @property
    def tcp_dsn(self) -> str:
        """Conninfo of the superuser over 127.0.0.1, with SCRAM."""
        return self._address("127.0.0.1", self.port, password=self.password)

    def dsn_for(self, *, user: str = "postgres", dbname: str = "postgres", password: str | None = None) -> str:
        """Return conninfo of any user and database over the Unix socket, where none needs a password."""
        return self._address(str(self._workdir.path), self.port, user=user, dbname=dbname, password=password)

    def dsn_through(
        self, link: Link, *, user: str = "postgres", dbname: str = "postgres", password: str | None = None
    ) -> str:
        """Return conninfo of a client whose packets take the link; the superuser's password is known."""
        if password is None and user == "postgres":
            password = self.password
        return self._address("127.0.0.1", link.port, user=user, dbname=dbname, password=password)

    def _address(self, host: str, port: int | None, **rest: str | None) -> str:
        return conninfo(host=host, port=port, **({"user": "postgres", "dbname": "postgres"} | rest))

    def query(self, statement: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement as superuser in database postgres and return its rows."""
        return query(self.dsn, statement, *parameters)

    @property
    def running(self) -> bool:
        """Whether its main process lives, frozen or not."""
        return self._pid is not None and self._workdir.exit_code(self._pid) is None

    def start(self) -> None:
        """Start it and return when it takes connections; nothing when it runs."""
        if self.running:
            return
        # Children of a main process that was killed from outside hold its memory until they notice.
        wait_until(lambda: not self._residents(), f"what is left of server {self.name!r} ends", _QUICK_S)
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            port = self.port or _free_port()
            said_before = self._said_bytes()
            self._pid = self._workdir.start(
                "postgres", "-D", str(self.data), "-p", str(port), "-k", str(self._workdir.path), log=self.log
            )
            with contextlib.suppress(BackfillError):
                wait_until(lambda: self._ready or not self.running, "it is ready or gone", _START_S)
            if self._ready:
                self.port = port
                return
            self.kill()
            said = self.log.read_bytes()[said_before:].decode(errors="replace")
            if "could not bind" not in said or attempt == _PORT_ATTEMPTS:
                raise BackfillError(f"server {self.name!r} did not start:\n{said[-2000:]}")

    def stop(self, *, immediate: bool = False) -> None:
        """Shut it down, fast or as in a crash; one that takes too long (behind a dead link) is made to."""
        self.thaw()
        if not immediate and self._ends(signal.SIGINT, _FAST_STOP_S):
            return
        if not self._ends(signal.SIGQUIT, _QUICK_S):
            self.kill()

    def restart(self) -> None:
        """Stop it and start it on the same port."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL all of its processes, as the kernel's out-of-memory killer would at its worst."""
        self._signal(signal.SIGKILL)
        wait_until(lambda: not self._residents() and not self.running, f"server {self.name!r} is dead", _QUICK_S)

    def freeze(self) -> None:
        """SIGSTOP all of its processes: connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)

    def configure(self, settings: Mapping[str, str]) -> None:
        """Write settings to postgresql.auto.conf and, when it runs, return once they are loaded."""
        with (self.data / "postgresql.auto.conf").open("a") as file:
            for name, value in settings.items():
                quoted = value.replace("\\", "\\\\").replace("'", "''")
                file.write(f"{name} = '{quoted}'\n")
        if not self.running:
            return
        loaded_at = self.query("select pg_conf_load_time()")
        self.query("select pg_reload_conf()")
        wait_until(
            lambda: self.query("select pg_conf_load_time()") != loaded_at,
            f"server {self.name!r} loads its settings",
            _QUICK_S,
        )

    @property
    def _ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return self.running and len(lines) > 7 and lines[0] == str(self._pid) and lines[7].strip() == "ready"

    def _ends(self, number: signal.Signals, timeout_s: float) -> bool:
        if self._pid is None or not self.running:
            return True
        os.kill(self._pid, number)
        try:
            wait_until(lambda: not self.running, f"server {self.name!r} ends", timeout_s)
        except BackfillError:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        """Signal the main process first, so that it starts no other, then its children."""
        if self._pid is not None and self.running:
            janitor.send([self._pid], number)
        janitor.send(self._residents(), number)

    def _residents(self) -> dict[int, int]:
        return janitor.server_processes(self._workdir.path, self.name)

    def _said_bytes(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0


def _free_port() -> int:
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
