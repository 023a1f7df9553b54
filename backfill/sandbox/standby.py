"""A server that follows another one: its replay can be paused, delayed and ended by promotion."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from backfill.sandbox.conninfo import conninfo
from backfill.sandbox.query import query
from backfill.sandbox.server import Server
from backfill.sandbox.wait import wait_until

if TYPE_CHECKING:
    from backfill.sandbox.link import Link
    from backfill.sandbox.workdir import Workdir

_PAUSE_S, _PROMOTE_S, _REMOVE_S = 10.0, 30.0, 10.0


class Standby(Server):
    """A physical standby, known upstream by its name (application_name) and its slot."""

    def __init__(self, workdir: Workdir, name: str, password: str, upstream: Server) -> None:
        super().__init__(workdir, name, password)
        self.upstream = upstream
        self.slot_name = re.sub(r"\W", "_", name.lower(), flags=re.ASCII)

    def follow(self, link: Link | None) -> str:
        """Return the primary_conninfo by which it follows upstream, through a link or straight."""
        return conninfo(
            host="127.0.0.1",
            port=link.port if link else self.upstream.port,
            user="postgres",
            password=self.password,
            application_name=self.name,
        )

    def pause(self) -> None:
        """Pause replay; WAL is received on."""
        self.query("select pg_wal_replay_pause()")
        wait_until(
            lambda: self.query("select pg_get_wal_replay_pause_state()") == [("paused",)],
            f"replay of {self.name!r} is paused",
            _PAUSE_S,
        )

    def resume(self) -> None:
        """Let replay go on."""
        self.query("select pg_wal_replay_resume()")

    def delay(self, delay_s: float) -> None:
        """Replay commits this much after they happened; 0 ends it."""
        self.configure({"recovery_min_apply_delay": f"{round(delay_s * 1000)}ms"})

    @property
    def recovering(self) -> bool:
        """Whether it still follows; not once promoted."""
        return self.query("select pg_is_in_recovery()") == [(True,)]

    def promote(self) -> None:
        """Make it a primary; standbys that follow it stay with it."""
        self.query("select pg_promote(true, %s::int)", int(_PROMOTE_S))
        wait_until(lambda: not self.recovering, f"{self.name!r} is promoted", _PROMOTE_S)

    def remove(self) -> None:
        """Stop it for good: drop its slot upstream and its data, so that its name is free again."""
        self.stop(immediate=True)
        wait_until(
            lambda: self.upstream.query(
                "select true from pg_replication_slots where slot_name = %s and not active", self.slot_name
            ),
            f"slot {self.slot_name!r} is free",
            _REMOVE_S,
        )
        self.upstream.query("select pg_drop_replication_slot(%s)", self.slot_name)
        shutil.rmtree(self.data)

    def wait_streaming(self, timeout_s: float = 30.0) -> None:
        """Return when upstream streams to it."""
        wait_until(
            lambda: self.upstream.query(
                "select true from pg_stat_replication where application_name = %s and state = 'streaming'",
                self.name,
            ),
            f"{self.name!r} streams from {self.upstream.name!r}",
            timeout_s,
        )

    def wait_replayed(self, timeout_s: float = 30.0) -> None:
        """Return when it has replayed what has happened upstream, up to the primary, until now."""
        if isinstance(self.upstream, Standby) and self.upstream.recovering:
            self.upstream.wait_replayed(timeout_s)
            [(target,)] = self.upstream.query("select pg_last_wal_replay_lsn()::text")
        else:
            # A commit of our own, for what others have not flushed yet (synchronous_commit = off).
            local = f"{self.upstream.dsn} options='-c synchronous_commit=local'"
            query(local, "select pg_logical_emit_message(true, 'backfill', '')")
            [(target,)] = self.upstream.query("select pg_current_wal_flush_lsn()::text")
        wait_until(
            lambda: self.query("select pg_last_wal_replay_lsn() >= %s::pg_lsn", target) == [(True,)],
            f"{self.name!r} replays up to {target}",
            timeout_s,
        )
