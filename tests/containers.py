"""PostgreSQL in containers: a primary and two standbys, and what tests do to them, on a Docker engine of this machine.

A standby is cut off by taking it off the network that it replicates over, and its link freezes with it. Labels name the
process that made a container or a network: what a killed one left goes with the next that starts, or with
`python -m tests.containers`.
"""

from __future__ import annotations

import gc
import os
import secrets
import socket
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, LiteralString

import docker
import psycopg
from docker.errors import APIError, DockerException
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from backfill.sandbox.conninfo import conninfo
from backfill.sandbox.query import query
from backfill.sandbox.server import _free_port
from backfill.sandbox.wait import wait_until
from backfill.values.errors import BackfillError

IMAGE = "postgres"
LABEL = "backfill.tests.owner"
_OWNER = f"{socket.gethostname()}:{os.getpid()}"
_PING_S = 5
_READY_S, _STREAMING_S, _STOP_S = 60.0, 30.0, 10
_PAUSES = 5

# For throw-away data; and who is cut off is missed within seconds.
_SETTINGS = {
    "dynamic_shared_memory_type": "mmap",
    "fsync": "off",
    "max_connections": "60",
    "wal_keep_size": "64MB",
    "wal_receiver_status_interval": "1s",
    "wal_receiver_timeout": "3s",
    "wal_retrieve_retry_interval": "200ms",
    "wal_sender_timeout": "3s",
}
# The image's own lines keep replication out. Roles of tests have no passwords; the port is open to this machine alone.
_HBA = b"""#!/bin/sh
cat >"$PGDATA/pg_hba.conf" <<'END'
local all all trust
host all postgres all scram-sha-256
host replication postgres all scram-sha-256
host all all all trust
END
"""
_FOLLOW = """
mkdir -p "$PGDATA"; chown postgres: "$PGDATA"; chmod 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    until getent hosts primary >/dev/null; do sleep 0.1; done
    gosu postgres pg_basebackup -D "$PGDATA" -d "$UPSTREAM" -S "$SLOT" -X stream -c fast -R --no-sync
fi
exec gosu postgres "$@"
"""


def why_absent() -> str | None:
    """Return why no containers can be made here, None when they can."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the client forgets a socket that found nobody
        why = _ping()
        gc.collect()
    return why


def _ping() -> str | None:
    try:
        client = docker.from_env(timeout=_PING_S)
        try:
            client.ping()
        finally:
            client.close()
    except DockerException as error:
        return f"no Docker engine answers here ({error})"
    return None


class ContainerServer:
    """A server in a container, at one port of this machine for its whole life."""

    def __init__(self, name: str, password: str, container: DockerContainer, port: int) -> None:
        self.name = name
        self.password = password
        self.port: int | None = port
        self._container = container

    @property
    def dsn(self) -> str:
        """Conninfo of the superuser."""
        return self.dsn_for()

    def dsn_for(self, *, user: str = "postgres", dbname: str = "postgres", password: str | None = None) -> str:
        """Return conninfo of any role; none but the superuser needs a password."""
        known = self.password if user == "postgres" and password is None else password
        return conninfo(host="127.0.0.1", port=self.port, user=user, dbname=dbname, password=known)

    def query(self, statement: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement as superuser in database postgres."""
        return query(self.dsn, statement, *parameters)

    def start(self) -> None:
        """Start it and return when it takes connections; nothing when it runs."""
        if self._state != "running":
            self.docker.start()
        try:
            wait_until(self._answers, f"server {self.name!r} takes connections", _READY_S)
        except BackfillError as error:
            raise BackfillError(f"{error}\n{self.docker.logs().decode()[-2000:]}") from None

    def stop(self) -> None:
        """Shut it down."""
        self.thaw()
        self.docker.stop(timeout=_STOP_S)

    def kill(self) -> None:
        """SIGKILL all of its processes."""
        if self._state in ("running", "paused"):
            self.docker.kill()
            self.docker.wait(timeout=_STOP_S)

    def freeze(self) -> None:
        """Pause the container: connections stay open, nothing answers."""
        if self._state == "running":
            _pause(self.docker)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        if self._state == "paused":
            self.docker.unpause()

    @property
    def docker(self) -> Any:
        """The container as the engine's client knows it."""
        return self._container.get_wrapped_container()

    @property
    def _state(self) -> str:
        self.docker.reload()
        return str(self.docker.status)

    def _answers(self) -> bool:
        try:
            self.query("select 1")
        except psycopg.OperationalError:
            assert self._state == "running", self.docker.logs().decode()
            return False
        return True


class ContainerStandby(ContainerServer):
    """One that follows another, under its name and by a slot."""

    def __init__(
        self, name: str, password: str, container: DockerContainer, port: int, upstream: ContainerServer
    ) -> None:
        super().__init__(name, password, container, port)
        self._upstream = upstream

    def pause(self) -> None:
        """Pause replay; WAL is received on."""
        self.query("select pg_wal_replay_pause()")
        paused = "select pg_get_wal_replay_pause_state() = 'paused'"
        wait_until(lambda: self.query(paused) == [(True,)], f"replay of {self.name!r} is paused")

    def resume(self) -> None:
        """Let replay go on."""
        self.query("select pg_wal_replay_resume()")

    def wait_streaming(self) -> None:
        """Return when the primary streams to it."""
        streams = "select true from pg_stat_replication where application_name = %s and state = 'streaming'"
        wait_until(lambda: self._upstream.query(streams, self.name), f"{self.name!r} streams", _STREAMING_S)

    def wait_replayed(self) -> None:
        """Return when it has replayed what has happened on the primary until now."""
        self._upstream.query("select pg_logical_emit_message(true, 'backfill', '')")
        [(target,)] = self._upstream.query("select pg_current_wal_flush_lsn()::text")
        replayed = "select pg_last_wal_replay_lsn() >= %s::pg_lsn"
        wait_until(lambda: self.query(replayed, target) == [(True,)], f"{self.name!r} replays up to {target}")


@dataclass
class ContainerLink:
    """The way between a standby and the primary: the network, as far as that standby is on it."""

    network: Any
    standby: ContainerStandby
    cut_off: bool = False

    def refuse(self) -> None:
        """Take the standby off the network: a partition, in which neither side hears of the other."""
        self.network.disconnect(self.standby.docker)
        self.cut_off = True

    def freeze(self) -> None:
        """Freeze the standby: its connections are open, and nothing moves."""
        self.standby.freeze()

    def restore(self) -> None:
        """Undo both."""
        if self.cut_off:
            _attach(self.network, self.standby.docker)
            self.cut_off = False
        self.standby.thaw()


@dataclass(frozen=True)
class ContainerCluster:
    """A primary with two standbys in containers."""

    primary: ContainerServer
    replica_a: ContainerStandby
    replica_b: ContainerStandby
    link_a: ContainerLink
    link_b: ContainerLink

    def restore(self) -> None:
        """Undo what a test did: links as new, servers up, replicas streaming and replaying."""
        for link in (self.link_a, self.link_b):
            link.restore()
        for server in (self.primary, self.replica_a, self.replica_b):
            server.thaw()
            server.start()
        for replica in (self.replica_a, self.replica_b):
            if replica.query("select pg_is_wal_replay_paused()") == [(True,)]:
                replica.resume()
            replica.wait_streaming()


@dataclass
class _Yard:
    """Where containers of one image are made; they go with the stack."""

    image: str
    stack: ExitStack
    network: Network
    password: str = field(default_factory=lambda: secrets.token_hex(16))

    def primary(self) -> ContainerServer:
        container, port = self._container("primary")
        container.with_env("POSTGRES_PASSWORD", self.password)
        container.with_copy_into_container(_HBA, "/docker-entrypoint-initdb.d/hba.sh", mode=0o755)
        self._run(container, "primary")
        server = ContainerServer("primary", self.password, container, port)
        server.start()
        return server

    def standby(self, name: str, upstream: ContainerServer) -> ContainerStandby:
        slot = name.replace("-", "_")
        upstream.query("select pg_create_physical_replication_slot(%s)", slot)
        container, port = self._container(name, entrypoint=["bash", "-euc", _FOLLOW, "bash"])
        told = conninfo(host="primary", user="postgres", password=self.password, application_name=name)
        container.with_envs(UPSTREAM=told, SLOT=slot)
        self._run(container, name)
        standby = ContainerStandby(name, self.password, container, port, upstream)
        standby.start()
        standby.wait_streaming()
        return standby

    def _container(self, name: str, **more: Any) -> tuple[DockerContainer, int]:
        port = _free_port()
        made = DockerContainer(self.image).with_kwargs(labels={LABEL: _OWNER}, shm_size="256m", **more)
        ports: dict[Any, Any] = made.ports
        ports["5432/tcp"] = ("127.0.0.1", port)
        settings = _SETTINGS | {"cluster_name": name}
        made.with_command(["postgres", *(part for pair in settings.items() for part in ("-c", "=".join(pair)))])
        return made, port

    def _run(self, container: DockerContainer, alias: str) -> None:
        self.stack.callback(container.stop)
        container.start()
        _attach(self.network._network, container.get_wrapped_container(), aliases=[alias])


def _pause(container: Any) -> None:
    """Pause a container; on a busy machine an engine now and then fails at it the first time."""
    for left in reversed(range(_PAUSES)):
        try:
            container.pause()
        except APIError:
            if not left:
                raise
        else:
            return


def _attach(network: Any, container: Any, aliases: list[str] | None = None) -> None:
    """Put a container on a network, frozen if it runs: half way the name is known and packets take another way, for ever."""
    container.reload()
    running = container.status == "running"
    if running:
        _pause(container)
    network.connect(container, aliases=aliases)
    if running:
        container.unpause()


@contextmanager
def running_cluster(tag: str) -> Iterator[ContainerCluster]:
    """Make a cluster of an image's tag; nothing of it is left at the end."""
    testcontainers_config.ryuk_disabled = True  # its reaper is one more image to pull; our labels do what it does
    sweep()
    with ExitStack() as stack:
        network = stack.enter_context(Network(docker_network_kw={"internal": True, "labels": {LABEL: _OWNER}}))
        yard = _Yard(f"{IMAGE}:{tag}", stack, network)
        primary = yard.primary()
        replica_a, replica_b = yard.standby("replica-a", primary), yard.standby("replica-b", primary)
        wire = network._network
        yield ContainerCluster(
            primary, replica_a, replica_b, ContainerLink(wire, replica_a), ContainerLink(wire, replica_b)
        )


def sweep() -> None:
    """Remove containers and networks of processes of this machine that are gone."""
    client = docker.from_env()
    for container in client.containers.list(all=True, ignore_removed=True, filters={"label": LABEL}):
        if _gone(container.labels[LABEL]):
            with suppress(APIError):  # another process sweeps, too
                container.remove(force=True, v=True)
    for network in client.networks.list(filters={"label": LABEL}):
        if _gone(network.attrs["Labels"][LABEL]):
            with suppress(APIError):
                network.remove()
    client.close()


def _gone(owner: str) -> bool:
    host, _, pid = owner.rpartition(":")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


if __name__ == "__main__" and why_absent() is None:
    sweep()
