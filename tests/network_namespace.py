"""A host of its own for a client: a network namespace on this machine, whose cable can be pulled.

Unlike a link of the sandbox nothing answers for it then, not even a kernel: no acknowledgement, no reset. It takes
root and `ip` of iproute2; `why_absent` says what is missing.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_FIRST, _LAST = 16, 250


@dataclass(frozen=True)
class Host:
    """A namespace, its own address and the one by which it reaches this machine, in a network of four addresses."""

    name: str
    here: str
    there: str

    @property
    def network(self) -> str:
        """The network of both."""
        return f"{self.here.rpartition('.')[0]}.0/30"

    @property
    def prefix(self) -> tuple[str, ...]:
        """What runs a command there."""
        return ("ip", "netns", "exec", self.name)

    def vanish(self) -> None:
        """Pull the cable: connections stay, and nothing arrives or answers any more."""
        _run("ip", "-n", self.name, "link", "set", "cable", "down")


def why_absent() -> str | None:
    """Return why there can be no such host here, None when there can."""
    if shutil.which("ip") is None:
        return "no network namespace: 'ip' of iproute2 is not installed"
    name = f"backfill-{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, timeout=10, check=False)
    if made.returncode:
        return f"no network namespace: {made.stderr.strip()}"
    _run("ip", "netns", "del", name)
    return None


@contextmanager
def host() -> Iterator[Host]:
    """Make one, and remove it with its cable."""
    name = f"backfill-{os.getpid()}-{secrets.token_hex(3)}"
    third = _FIRST + secrets.randbelow(_LAST - _FIRST)
    made = Host(name, f"10.213.{third}.1", f"10.213.{third}.2")
    outer = f"bf{secrets.token_hex(4)}"
    _run("ip", "netns", "add", name)
    try:
        _run("ip", "link", "add", outer, "type", "veth", "peer", "name", "cable", "netns", name)
        _run("ip", "addr", "add", f"{made.here}/30", "dev", outer)
        _run("ip", "link", "set", outer, "up")
        _run("ip", "-n", name, "addr", "add", f"{made.there}/30", "dev", "cable")
        for device in ("lo", "cable"):
            _run("ip", "-n", name, "link", "set", device, "up")
        yield made
    finally:
        _run("ip", "netns", "del", name)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=10)
