"""The sandbox's directory, and the janitor that starts processes in it and outlives us to remove it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from backfill.sandbox import janitor
from backfill.sandbox.account import SystemAccount
from backfill.sandbox.binaries import Binaries, find_binaries
from backfill.sandbox.wait import wait_until
from backfill.values.errors import BackfillError

_SOCKET_PATH_MAX = 103  # of an AF_UNIX address on macOS; Linux allows four more
_SOCKET_NAME = "/.s.PGSQL.65535.lock"
_ANSWER_S, _SWEEP_S = 30.0, 30.0


class Workdir:
    """A directory of one account, the programs that run there, and their janitor; `close` leaves nothing."""

    def __init__(self, bin_directory: Path | None = None) -> None:
        binaries = find_binaries(bin_directory)
        self._account = SystemAccount.choose()
        self._lock = threading.Lock()
        self.path = _make_directory(self._account)
        try:
            self._janitor_log = self.path / "janitor.log"
            self._socket, self._janitor = _start_janitor(self.path, self._janitor_log)
        except BaseException:
            shutil.rmtree(self.path, ignore_errors=True)
            raise
        try:
            self._binaries = self._within_reach(binaries)
        except BaseException:
            self.close()
            raise
        self._environment = _environment(self.path, self._binaries.library_path)

    def start(self, program: str, *arguments: str, log: Path) -> int:
        """Start one of PostgreSQL's programs, which ends at the latest with us, and return its pid."""
        argv = [str(self._binaries.directory / program), *arguments]
        answer = self._ask(start={"argv": argv, "log": str(log), "environment": self._environment})
        if "error" in answer:
            raise BackfillError(f"could not start {argv[0]}: {answer['error']}")
        return int(answer["pid"])

    def exit_code(self, pid: int) -> int | None:
        """Return how a started program ended, None while it runs."""
        code = self._ask(poll=pid)["exit"]
        return None if code is None else int(code)

    def run(self, program: str, *arguments: str, timeout_s: float = 120.0) -> None:
        """Run a program to its end; raise BackfillError with what it said when it fails."""
        log = self.path / f"{program}.log"
        log.unlink(missing_ok=True)
        pid = self.start(program, *arguments, log=log)
        wait_until(lambda: self.exit_code(pid) is not None, f"{program} ends", timeout_s)
        if code := self.exit_code(pid):
            raise BackfillError(f"{program} failed ({code}):\n{log.read_text(errors='replace')}")

    def write(self, path: Path, text: str) -> None:
        """Write a file that only the account can read."""
        path.touch(mode=0o600)
        path.write_text(text)
        self._account.take(path)

    def close(self) -> None:
        """End every process and remove the directory; a second time does nothing."""
        with self._lock:
            if self._socket.fileno() == -1:
                return
            with contextlib.suppress(OSError):  # a janitor that was killed has hung up already
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        try:
            self._janitor.wait(_SWEEP_S)
        except subprocess.TimeoutExpired:
            self._janitor.kill()
            self._janitor.wait()
        if self.path.exists():
            janitor.sweep(self.path)
        if self.path.exists():
            raise BackfillError(f"the sandbox's directory {self.path} could not be removed")

    def _within_reach(self, binaries: Binaries) -> Binaries:
        """Return the programs, or a copy when they lie below a directory that the account may not enter."""
        if self._account.reaches(binaries.programs):
            return binaries
        if not self._account.switched:
            raise BackfillError(f"the programs in {binaries.directory} are not executable")
        copy = binaries.copy_below(self.path / "software")
        self._account.take(self.path / "software")
        return copy

    def _ask(self, **request: Any) -> dict[str, Any]:
        try:
            with self._lock:
                self._socket.sendall(json.dumps(request).encode() + b"\n")
                answer = b""
                while not answer.endswith(b"\n"):
                    received = self._socket.recv(65536)
                    if not received:
                        raise ConnectionResetError("it hung up")
                    answer += received
        except OSError as error:
            said = self._janitor_log.read_text(errors="replace") if self._janitor_log.exists() else ""
            raise BackfillError(f"the sandbox's janitor is gone: {error}\n{said[-2000:]}".rstrip()) from error
        decoded: dict[str, Any] = json.loads(answer)
        return decoded


def _make_directory(account: SystemAccount) -> Path:
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108 - mkdtemp below
        path = Path(parent).resolve()
        sample = path / f"{janitor.PREFIX}12345678"
        if len(f"{sample}{_SOCKET_NAME}") <= _SOCKET_PATH_MAX and account.reaches([path]):
            made = Path(tempfile.mkdtemp(prefix=janitor.PREFIX, dir=path))
            account.take(made)
            return made
    raise BackfillError("no temporary directory with a short path that the servers can enter; set TMPDIR")


def _start_janitor(path: Path, log_path: Path) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(_ANSWER_S)
    with theirs, log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", janitor.__file__, str(path)],
            stdin=theirs.fileno(),
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
    return ours, process


def _environment(home: Path, library_path: Path | None) -> dict[str, str]:
    """Return ours without what would steer PostgreSQL or libpq from outside."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    if library_path:
        inherited = [kept["LD_LIBRARY_PATH"]] if kept.get("LD_LIBRARY_PATH") else []
        kept["LD_LIBRARY_PATH"] = os.pathsep.join([str(library_path), *inherited])
    return kept | {"LC_ALL": "C", "TZ": "UTC", "HOME": str(home)}
