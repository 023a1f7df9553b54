"""What a test may do to servers and links wherever they are: in a sandbox, or in containers.

Only a sandbox can do the rest, so a test that limits a rate or promotes is written for `tests.fixtures_postgres.Cluster`.
"""

from __future__ import annotations

from typing import Any, LiteralString, Protocol


class Primary(Protocol):
    """A server."""

    name: str
    port: int | None

    @property
    def dsn(self) -> str:
        """Conninfo of the superuser."""

    def dsn_for(self, *, user: str = "postgres", dbname: str = "postgres", password: str | None = None) -> str:
        """Return conninfo of any role; none but the superuser needs a password."""

    def query(self, statement: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement as superuser."""

    def start(self) -> None:
        """Start it and return when it takes connections; nothing when it runs."""

    def stop(self) -> None:
        """Shut it down."""

    def kill(self) -> None:
        """SIGKILL all of its processes."""

    def freeze(self) -> None:
        """Let connections be open, and nothing answer."""

    def thaw(self) -> None:
        """Let a frozen one go on."""


class Replica(Primary, Protocol):
    """A standby of it."""

    def pause(self) -> None:
        """Pause replay; WAL is received on."""

    def resume(self) -> None:
        """Let replay go on."""

    def wait_replayed(self) -> None:
        """Return when it has replayed what has happened upstream until now."""


class Way(Protocol):
    """What lies between a standby and its primary."""

    def refuse(self) -> None:
        """Let nothing through, and no new connection come to be."""

    def freeze(self) -> None:
        """Let connections be open, and nothing move."""

    def restore(self) -> None:
        """Make it what it was."""


class Clustered(Protocol):
    """A primary with two standbys, each behind a way of its own."""

    @property
    def primary(self) -> Primary: ...

    @property
    def replica_a(self) -> Replica: ...

    @property
    def replica_b(self) -> Replica: ...

    @property
    def link_a(self) -> Way: ...

    @property
    def link_b(self) -> Way: ...

    def restore(self) -> None:
        """Undo what a test did to any of them."""
