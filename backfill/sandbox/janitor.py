"""The process that starts everything in a sandbox's tree and, however the sandbox ends, removes it all.

Run as a script in a session of its own, so that Ctrl-C passes it by, and with one thread, so that code
between fork and exec is safe. Requests are JSON lines on a socket at fd 0; its end means: sweep.
Standard library only: it starts in a blink, and a broken environment cannot keep it from cleaning up.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PREFIX = "backfill-"
LOCK = "janitor.lock"
_PROGRAMS = {"postgres", "initdb", "pg_basebackup"}
_PR_SET_PDEATHSIG = 1
_QUIT_S, _KILL_S, _REMOVE_S = 6.0, 3.0, 5.0
_LOCKED_WITHIN_S = 60.0  # a younger tree may be on its way to its lock


def server_processes(tree: Path, server: str = "") -> dict[int, int]:
    """Return pid to parent pid of PostgreSQL's processes in a tree, or of one server in it.

    Told by data directory and cluster_name in the command line, which root without capabilities may read too.
    """
    marks = (f" {tree}/{server} ", f"postgres: {tree.name}/{server}: ")
    if not server:
        marks = (f" {tree}/", f"postgres: {tree.name}/")
    found = {}
    for pid, parent, command in _processes():
        program = Path(command.split(" -D ", 1)[0]).name
        is_theirs = program in _PROGRAMS or command.startswith("postgres: ")
        if is_theirs and any(mark in f"{command} " for mark in marks):
            found[pid] = parent
    return found


def _processes() -> Iterator[tuple[int, int, str]]:
    if not Path("/proc/self/stat").exists():
        ps = ["ps", "-A", "-ww", "-o", "pid=,ppid=,command="]
        for line in subprocess.run(ps, capture_output=True, text=True, check=True).stdout.splitlines():
            pid, parent, command = line.split(None, 2)
            yield int(pid), int(parent), command
        return
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            yield int(process.name), int(parent), command


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to those that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def sweep(tree: Path) -> None:
    """End every server in the tree, frozen ones too, and remove it."""
    started_s = time.monotonic()
    while living := server_processes(tree):
        waited_s = time.monotonic() - started_s
        if waited_s > _QUIT_S + _KILL_S:
            break
        if waited_s > _QUIT_S:
            send(living, signal.SIGKILL)
        else:
            send([pid for pid, parent in living.items() if parent not in living], signal.SIGQUIT)
            send(living, signal.SIGCONT)
        time.sleep(0.02)
    for pidfile in tree.glob("*/postmaster.pid"):
        release_memory(pidfile)
    started_s = time.monotonic()
    while tree.exists() and time.monotonic() - started_s < _REMOVE_S:
        shutil.rmtree(tree, ignore_errors=True)


def release_memory(pidfile: Path) -> None:
    """Remove the shared memory that a killed server has left (its pid file is left as well)."""
    with contextlib.suppress(OSError, ValueError, IndexError, subprocess.SubprocessError):
        lines = pidfile.read_text().splitlines()
        key, identifier = lines[6].split()
        table = Path("/proc/sysvipc/shm").read_text().splitlines()
        segments = [line.split() for line in table[1:]]
        # All four must agree: identifiers are reused, and the next holder may be somebody's production.
        if any((s[0], s[1], s[4], s[6]) == (key, identifier, lines[0], "0") for s in segments):
            owner = identity(pidfile.parent)
            subprocess.run(["ipcrm", "-m", identifier], check=False, timeout=5, **owner)  # noqa: S607


def identity(path: Path) -> dict[str, Any]:
    """Return the arguments by which a child becomes the owner of `path`; none when that is us."""
    owner = path.stat()
    if owner.st_uid == os.geteuid():
        return {}
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def sweep_dead(own: Path) -> None:
    """Also sweep the neighbouring trees whose janitor was killed."""
    facts = own.stat()
    for tree in own.parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), (tree / LOCK).open("rb") as lock:
            theirs = tree.lstat()
            if theirs.st_uid == facts.st_uid and time.time() - theirs.st_ctime > _LOCKED_WITHIN_S:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                sweep(tree)


def spawn(tree: Path, argv: list[str], log: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a child as the tree's owner; on Linux it gets SIGQUIT should we be killed."""
    library = ctypes.CDLL(None)

    def die_with_us() -> None:  # runs after the change of user, which would clear it
        if sys.platform == "linux":
            library.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)

    with Path(log).open("ab") as output:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=tree,
            env=environment,
            start_new_session=True,
            preexec_fn=die_with_us,  # noqa: PLW1509 - one thread
            **identity(tree),
        )


def serve(tree: Path, requests: socket.socket) -> None:
    """Answer `start` and `poll` until the sandbox hangs up."""
    children: dict[int, subprocess.Popen[bytes]] = {}
    with contextlib.suppress(OSError), requests, requests.makefile("rw") as lines:
        for line in lines:
            request = json.loads(line)
            answer: dict[str, Any]
            if "poll" in request:
                answer = {"exit": children[request["poll"]].poll()}
            else:
                try:
                    child = spawn(tree, **request["start"])
                    children[child.pid] = child
                    answer = {"pid": child.pid}
                except (OSError, subprocess.SubprocessError) as error:
                    answer = {"error": str(error)}
            lines.write(json.dumps(answer) + "\n")
            lines.flush()


def main() -> None:
    """Hold the tree's lock, serve, sweep."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # a handler, not SIG_IGN: that would pass to the children
    tree = Path(sys.argv[1])
    with (tree / LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            sweep_dead(tree)
            serve(tree, socket.socket(fileno=0))
        finally:
            sweep(tree)


if __name__ == "__main__":
    main()
