"""Who runs the servers: ourselves or, as PostgreSQL refuses root, an account that is there already.

No account is created and no permission changed, except of what the sandbox itself has made.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backfill.values.errors import BackfillError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class SystemAccount:
    """A user and group; `switched` when they are not our own."""

    uid: int
    gid: int
    switched: bool

    @classmethod
    def choose(cls) -> SystemAccount:
        """Return ourselves, or for root the first unprivileged account that exists."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), switched=False)
        for name in _UNPRIVILEGED:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid, switched=True)
        raise BackfillError(
            "PostgreSQL does not run as root and there is no user 'postgres' or 'nobody' to run it as; "
            "run this as an ordinary user"
        )

    def reaches(self, paths: Iterable[Path]) -> bool:
        """Say whether the account can execute these files or enter these directories."""
        if not self.switched:
            return all(os.access(path, os.X_OK) for path in paths)
        identity: dict[str, Any] = {"user": self.uid, "group": self.gid, "extra_groups": []}
        script = 'for path; do test -x "$path" || exit 1; done'
        try:
            finished = subprocess.run(
                ["/bin/sh", "-c", script, "sh", *map(str, paths)],
                check=False,
                timeout=30,
                cwd="/",
                **identity,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise BackfillError(
                f"root cannot start a process as uid {self.uid} here: {error}; run this as an ordinary user"
            ) from error
        return finished.returncode == 0

    def take(self, path: Path) -> None:
        """Make the account the owner of a file or a tree that the sandbox has made."""
        if not self.switched:
            return
        os.chown(path, self.uid, self.gid)
        for directory, names, files in os.walk(path):
            for name in names + files:
                os.chown(os.path.join(directory, name), self.uid, self.gid, follow_symlinks=False)  # noqa: PTH118
