"""The servers that rounds are played on: shared ones, or a sandbox of its own where a fault loses or fills one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from backfill.sandbox import Link, Sandbox, Server, Standby
from backfill.sandbox.account import SystemAccount

DISK = "64M"
SETTINGS = {"deadlock_timeout": "200ms", "log_min_messages": "fatal"}


class CannotBeHadError(Exception):
    """A fact of this machine for which a fault is skipped."""


@dataclass(frozen=True)
class Servers:
    """A primary, its standbys with the link that each is behind, and the link that workers take to the primary."""

    sandbox: Sandbox
    primary: Server
    standbys: tuple[Standby, ...]
    links: tuple[Link, ...]
    to_primary: Link
    disk: Path | None = None

    def restore(self) -> None:
        """Undo what a round did: links as new, servers up, standbys streaming."""
        for link in (self.to_primary, *self.links):
            link.restore()
        for server in (self.primary, *self.standbys):
            server.thaw()
            server.start()
        for standby in self.standbys:
            standby.wait_streaming()


@contextmanager
def shared() -> Iterator[Servers]:
    """A primary and two standbys, each behind a link."""
    with Sandbox() as sandbox:
        primary = sandbox.primary(settings=SETTINGS)
        links = (sandbox.link(primary), sandbox.link(primary))
        names = ("replica-a", "replica-b")
        standbys = tuple(sandbox.standby(name, primary, link=link) for name, link in zip(names, links, strict=True))
        yield Servers(sandbox, primary, standbys, links, sandbox.link(primary))


@contextmanager
def heir() -> Iterator[Servers]:
    """A primary that will be lost, and the standby that takes its place."""
    with Sandbox() as sandbox:
        primary = sandbox.primary(settings=SETTINGS)
        standby = sandbox.standby("heir", primary)
        yield Servers(sandbox, primary, (standby,), (), sandbox.link(primary))


@contextmanager
def small_disk() -> Iterator[Servers]:
    """A primary alone, and a directory on a small file system for a tablespace of it."""
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox())
        disk = sandbox.path / "disk"
        disk.mkdir()
        mount = shutil.which("mount")
        command = [mount or "mount", "-t", "tmpfs", "-o", f"size={DISK}", "backfill-chaos", str(disk)]
        told = subprocess.run(command, capture_output=True, text=True, check=False) if mount else None
        if told is None or told.returncode:
            why = told.stderr.strip() if told else "there is no mount here"
            raise CannotBeHadError(f"a small file system cannot be mounted: {why}")
        stack.callback(subprocess.run, [shutil.which("umount") or "umount", "-l", str(disk)], check=True)
        SystemAccount.choose().take(disk)
        primary = sandbox.primary(settings=SETTINGS)
        stack.callback(primary.stop, immediate=True)
        yield Servers(sandbox, primary, (), (), sandbox.link(primary), disk)


MAKERS = {"": shared, "heir": heir, "small-disk": small_disk}
