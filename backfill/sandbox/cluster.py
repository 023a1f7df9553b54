"""The sandbox: servers and links made on demand, gone without a trace when it ends, in whatever way."""

from __future__ import annotations

import contextlib
import re
import secrets
from typing import TYPE_CHECKING, Self

from backfill.sandbox.link import Link
from backfill.sandbox.server import Server
from backfill.sandbox.standby import Standby
from backfill.sandbox.workdir import Workdir
from backfill.values.errors import BackfillError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

# For throw-away data, in addition to the defaults. Not full_page_writes=off: it forbids a base backup from a standby.
# Shared memory as files in the data directory goes with it, even after SIGKILL, and needs no /dev/shm.
_SETTINGS = {
    "dynamic_shared_memory_type": "mmap",
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "log_line_prefix": "%m [%p] ",
    "max_connections": "60",
    "max_slot_wal_keep_size": "4GB",
    "shared_buffers": "128MB",
    "unix_socket_permissions": "0700",
    "wal_keep_size": "64MB",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "200ms",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class Sandbox:
    """A context manager; its servers and links live until its end.

    Args:
        bin_directory: PostgreSQL's programs, to run another major than the one that is found.
    """

    def __init__(self, bin_directory: Path | None = None) -> None:
        self._bin_directory = bin_directory
        self._stack = contextlib.ExitStack()
        self._workdir: Workdir | None = None
        self._password = secrets.token_hex(16)

    def __enter__(self) -> Self:
        self._workdir = Workdir(self._bin_directory)
        self._stack.callback(self._workdir.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def path(self) -> Path:
        """Its directory: one data directory and one log per server."""
        return self._open_workdir.path

    def primary(self, name: str = "primary", *, settings: Mapping[str, str] | None = None) -> Server:
        """Make a new, empty server and return it running."""
        workdir = self._open_workdir
        server = Server(workdir, self._unused(name), self._password)
        password_file = workdir.path / f"{name}.password"
        workdir.write(password_file, self._password)
        workdir.run(
            "initdb",
            *("-D", str(server.data), "-U", "postgres", "--pwfile", str(password_file)),
            *("--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C"),
            *("--no-sync", "--no-instructions"),
        )
        password_file.unlink()
        server.configure(_SETTINGS | self._identity(name) | dict(settings or {}))
        server.start()
        return server

    def standby(
        self,
        name: str,
        upstream: Server,
        *,
        link: Link | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Standby:
        """Make a standby of a primary or of a standby, and return it streaming.

        The base backup is taken straight from upstream; only streaming goes through the link.
        """
        workdir = self._open_workdir
        standby = Standby(workdir, self._unused(name), self._password, upstream)
        workdir.run(
            "pg_basebackup",
            *("-D", str(standby.data), "-d", upstream.dsn, "-X", "stream", "-c", "fast", "-R"),
            *("--no-sync", "-C", "-S", standby.slot_name),
        )
        own = {"primary_conninfo": standby.follow(link), "recovery_min_apply_delay": "0"}
        standby.configure(own | self._identity(name) | dict(settings or {}))
        standby.start()
        standby.wait_streaming()
        return standby

    def link(self, target: Server, *, rate_bytes_s: int | None = None, delay_s: float = 0.0) -> Link:
        """Make a link to a server, for a standby or for clients (`Server.dsn_through`)."""
        assert target.port is not None
        link = Link(target.port, rate_bytes_s=rate_bytes_s, delay_s=delay_s)
        self._stack.callback(link.close)
        return link

    @property
    def _open_workdir(self) -> Workdir:
        if self._workdir is None:
            raise BackfillError("a sandbox is a context manager: with Sandbox() as sandbox: …")
        return self._workdir

    def _identity(self, name: str) -> dict[str, str]:
        """Return the mark in the titles of a server's processes, by which the janitor knows them."""
        return {"cluster_name": f"{self.path.name}/{name}"}

    def _unused(self, name: str) -> str:
        if not _NAME.fullmatch(name) or (self.path / name).exists():
            raise BackfillError(f"server name {name!r} is taken, or not made of a-z, 0-9, '_' and '-'")
        return name
