"""However a program with a sandbox ends, and whoever runs it, nothing is left and nothing was opened."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import backfill
from backfill.sandbox import Sandbox, account, binaries, janitor
from backfill.sandbox.wait import wait_until
from backfill.values.errors import BackfillError

if TYPE_CHECKING:
    from collections.abc import Iterator

as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/proc/self/stat").exists(), reason="about what root must not do, seen in /proc"
)

pytestmark = pytest.mark.long

PROGRAM = """
    import os, signal, sys, time
    from backfill.sandbox import Sandbox
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    with Sandbox() as sandbox:
        primary = sandbox.primary()
        standby = sandbox.standby("standby", primary, link=sandbox.link(primary))
        {then}
        print(sandbox.path, sandbox._workdir._janitor.pid, flush=True)
        time.sleep(60)
"""
SEARCH = os.pathsep.join([str(Path(backfill.__file__).parents[1]), sysconfig.get_paths()["purelib"]])


@contextmanager
def program(then: str = "", **environment: str) -> Iterator[tuple[subprocess.Popen[str], Path, int]]:
    """Run PROGRAM in a session of its own until its servers run; yield it, its directory and its janitor."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM).format(then=then)],
        env=os.environ | {"PYTHONPATH": SEARCH} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    with process:
        try:
            assert process.stdout
            path, janitor_pid = process.stdout.readline().split()
            assert janitor.server_processes(Path(path))
            yield process, Path(path), int(janitor_pid)
        finally:
            process.kill()


def gone(path: Path) -> bool:
    return not path.exists() and not janitor.server_processes(path)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_leaves_nothing(end: signal.Signals):
    with program() as (process, path, _):
        os.killpg(process.pid, end)
        process.wait(20)
        wait_until(lambda: gone(path), "nothing is left", 20)


def test_sigkill_with_frozen_and_killed_servers_leaves_nothing():
    with program("standby.freeze(); primary.kill()") as (process, path, _):
        process.kill()
        wait_until(lambda: gone(path), "nothing is left", 20)


def test_sigkill_leaves_no_shared_memory():
    def segments() -> set[str]:
        table = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
        return {line.split()[1] for line in table if line.split()[4] in pids}

    if not Path("/proc/sysvipc/shm").exists():
        pytest.skip("reads /proc")
    with program("primary.kill(); standby.kill(); primary.start()") as (process, path, _):
        pids = [pidfile.read_text().split()[0] for pidfile in path.glob("*/postmaster.pid")]
        assert len(segments()) == 2
        process.kill()
        wait_until(lambda: gone(path), "nothing is left", 20)
        assert not segments()


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_what_outlives_even_the_janitor_is_swept_by_the_next(monkeypatch: pytest.MonkeyPatch):
    own = Path(tempfile.mkdtemp(prefix="bf-", dir="/tmp"))
    own.chmod(0o711)
    try:
        with (
            program(TMPDIR=str(own)) as (process, path, janitor_pid),
            program(TMPDIR=str(own)) as (_, living, _),
        ):
            os.kill(janitor_pid, signal.SIGKILL)
            process.kill()
            wait_until(lambda: not janitor.server_processes(path), "the servers die with their janitor", 20)
            assert path.exists()
            monkeypatch.setattr(janitor, "_LOCKED_WITHIN_S", 0)
            mine = own / f"{janitor.PREFIX}mine"
            mine.mkdir()
            account.SystemAccount.choose().take(mine)
            janitor.sweep_dead(mine)
            assert not path.exists()
            assert mine.exists()
            assert janitor.server_processes(living)
    finally:
        wait_until(lambda: not list(own.glob(f"{janitor.PREFIX}*/*")), "nothing is left", 20)
        shutil.rmtree(own)


def permissions(path: Path) -> list[tuple[str, int, int, int]]:
    """Return what chmod and chown would change, from here up to the root."""
    facts = [(str(each), each.stat()) for each in (path, *path.parents)]
    return [(name, stat.S_IMODE(fact.st_mode), fact.st_uid, fact.st_gid) for name, fact in facts]


@as_root
def test_programs_below_a_private_directory_are_copied_and_the_directory_stays_private():
    found = binaries.find_binaries().directory
    if not (found.parent / "share").is_dir():
        pytest.skip("a distribution's server is spread over the system and open to all")
    private = Path(tempfile.mkdtemp(prefix="bf-", dir="/tmp"))
    try:
        package = private / "site" / found.parents[1].name
        shutil.copytree(found.parent, package / "pginstall", symlinks=True, copy_function=link_or_copy)
        libraries = found.parents[1].with_name(f"{found.parents[1].name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, private / "site" / libraries.name, copy_function=link_or_copy)
        hidden = package / "pginstall" / "bin"
        before = permissions(hidden / "postgres")
        with Sandbox(hidden) as sandbox:
            primary = sandbox.primary()
            sandbox.standby("standby", primary)
            assert (sandbox.path / "software").is_dir()
        assert permissions(hidden / "postgres") == before
        assert permissions(private)[0][1] == 0o700
    finally:
        shutil.rmtree(private)


def link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


@as_root
def test_root_opens_nothing_and_does_not_run_servers():
    found = binaries.find_binaries().directory
    before = [permissions(found / "postgres"), permissions(Path(tempfile.gettempdir()))]
    with Sandbox() as sandbox:
        primary = sandbox.primary()
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in janitor.server_processes(sandbox.path)}
        assert owners == {account.SystemAccount.choose().uid}
        assert 0 not in owners
        assert permissions(sandbox.path)[0][1] == permissions(primary.data)[0][1] == 0o700
    assert [permissions(found / "postgres"), permissions(Path(tempfile.gettempdir()))] == before


@as_root
def test_without_a_user_postgres_it_is_nobody(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(account, "_UNPRIVILEGED", ("no-such-user", "nobody"))
    with Sandbox() as sandbox:
        sandbox.primary()
        assert sandbox.path.stat().st_uid == pwd.getpwnam("nobody").pw_uid


@as_root
def test_without_any_account_root_is_reported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(account, "_UNPRIVILEGED", ("no-such-user",))
    with pytest.raises(BackfillError, match="ordinary user"):
        account.SystemAccount.choose()


@as_root
def test_a_temporary_directory_of_root_alone_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    tmp_path.chmod(0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Sandbox() as sandbox:
        assert tmp_path not in sandbox.path.parents
        sandbox.primary()
    assert not list(tmp_path.iterdir())


def run_as_nobody(python: str, code: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-c", code],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": SEARCH},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        user="nobody",
        group=pwd.getpwnam("nobody").pw_gid,
        extra_groups=[],
    )


@as_root
def test_an_ordinary_user_runs_it_too():
    version = f"python3.{sys.version_info.minor}"
    home = Path(tempfile.mkdtemp(prefix="bf-", dir="/tmp"))
    shutil.chown(home, "nobody")
    try:
        for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
            with suppress(OSError):
                if not run_as_nobody(python, "import psycopg, backfill.sandbox", home).returncode:
                    break
        else:
            pytest.skip(f"'nobody' can reach no {version} that imports what is installed here")
        work = textwrap.dedent(PROGRAM).format(then="print(sandbox.path, os.getuid()); sys.exit()")
        finished = run_as_nobody(python, work, home)
        assert finished.returncode == 0, finished.stderr
        path, uid = finished.stdout.split()
        assert int(uid) == pwd.getpwnam("nobody").pw_uid
        assert gone(Path(path))
    finally:
        shutil.rmtree(home)
