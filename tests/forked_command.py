"""A command as a process that need not import: a server has every module, and forks for each command.

Half of what commands cost in tests is Python that starts. What is forked here is `python -m backfill` from its first
line on, with its own arguments, environment, streams and signals; it is no child of ours, so its end comes by a socket.
Whoever tests the start itself (arguments in the process list, locales, closed streams) starts a real command.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_REQUEST_BYTES = 1 << 20


class ForkedCommand:
    """A command that runs; like `subprocess.Popen` as far as tests need it. Files are descriptors."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        stdout: int,
        stderr: int,
        new_session: bool = False,
    ) -> None:
        self.returncode: int | None = None
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = {"arguments": list(arguments), "env": dict(env), "cwd": str(Path.cwd()), "new_session": new_session}
        with theirs:
            socket.send_fds(_server(), [json.dumps(request).encode()], [stdout, stderr, theirs.fileno()])
        self.pid = int(self._read(None))

    def _read(self, timeout_s: float | None) -> bytes:
        """Return the server's next word; raises TimeoutExpired."""
        if not select.select([self._ours], [], [], timeout_s)[0]:
            raise subprocess.TimeoutExpired(f"backfill, pid {self.pid}", timeout_s or 0)
        said = self._ours.recv(100)
        assert said, "the server of forks is gone"
        return said

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code, negative for a signal; raises TimeoutExpired."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(int(self._read(timeout)))
            self._ours.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


@cache
def _server() -> socket.socket:
    """Return the socket of this process's server, which ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _REQUEST_BYTES)
    with theirs:
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    atexit.register(_end, process, ours)
    return ours


def _end(process: subprocess.Popen[bytes], ours: socket.socket) -> None:
    ours.close()
    process.wait(10)


@dataclass(frozen=True)
class Request:
    """What a fork is to become; the descriptors are those of the server, of which `inherited` are not its own."""

    arguments: list[str]
    env: dict[str, str]
    cwd: str
    new_session: bool
    stdout: int
    stderr: int
    inherited: tuple[int, ...]


def serve(requests: socket.socket) -> Request | None:
    """Fork for each request and report each end; return in each fork what it is to become, None at the server's end."""
    ended, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([requests.fileno(), ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
            _report_ends(running)
        if requests.fileno() in ready:
            message, descriptors, _, _ = socket.recv_fds(requests, _REQUEST_BYTES, 3)
            if not message:
                return None
            stdout, stderr, teller = descriptors
            if (pid := os.fork()) == 0:
                signal.set_wakeup_fd(-1)
                others = (requests.detach(), teller, ended, woken, *(one.detach() for one in running.values()))
                return Request(**json.loads(message), stdout=stdout, stderr=stderr, inherited=others)
            os.close(stdout)
            os.close(stderr)
            running[pid] = socket.socket(fileno=teller)
            running[pid].send(str(pid).encode())


def _report_ends(running: dict[int, socket.socket]) -> None:
    with suppress(ChildProcessError):
        while (end := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = end
            with running.pop(pid) as teller, suppress(BrokenPipeError):
                teller.send(str(status).encode())


def become(request: Request) -> None:
    """Be `python -m backfill` from its first line on."""
    if request.new_session:
        os.setsid()
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.env)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in ((nowhere, 0), (request.stdout, 1), (request.stderr, 2)):
        os.dup2(descriptor, number)
    for descriptor in (nowhere, request.stdout, request.stderr, *request.inherited):
        os.close(descriptor)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sys.stdin, sys.stdout = open(0, encoding="utf-8"), open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115
    module = importlib.import_module("backfill.__main__")
    sys.argv = [str(module.__file__), *request.arguments]
    sys.orig_argv = [sys.executable, "-m", "backfill", *request.arguments]
    module.main()


def main(descriptor: int) -> None:
    """Import all of the product, then serve."""
    import backfill  # noqa: PLC0415 - whoever only asks for forks needs no module of ours

    for module in pkgutil.walk_packages(backfill.__path__, "backfill."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.freeze()
    with socket.socket(fileno=descriptor) as requests:
        request = serve(requests)
    if request is not None:
        become(request)


if __name__ == "__main__":
    main(int(sys.argv[1]))
