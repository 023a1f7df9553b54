"""The project broken on purpose in a temporary copy, and the test that notices."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
COPIED = ("backfill", "tests", "jobs", "docs", "pyproject.toml", "README.md")
TIMEOUT_S = 120


@dataclass(frozen=True)
class Replacement:
    """A text of a file that is there exactly once, and what replaces it."""

    path: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Replace it in a copy."""
        path = root / self.path
        path.write_text(replaced(path.read_text(), self.old, self.new, self.path))


def replaced(text: str, old: str, new: str, path: str) -> str:
    """Return the text with its replacement; exit if what is to be replaced is not there exactly once."""
    if text.count(old) != 1:
        raise SystemExit(f"{old!r} is not in {path} exactly once")
    return text.replace(old, new)


def find_catcher(
    name: str, replacements: Sequence[Replacement], tests: Sequence[str], timeout_s: float = TIMEOUT_S
) -> str | None:
    """Return the first of the tests that fails in a copy that is broken like this; None if all pass."""
    with TemporaryDirectory(prefix="backfill-mutation-") as folder:
        copy = Path(folder)
        for copied in COPIED:
            source = ROOT / copied
            if source.is_dir():
                shutil.copytree(source, copy / copied, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy)
        for replacement in replacements:
            replacement.apply(copy)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=no", *tests]
        ran = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=timeout_s, check=False)
    if ran.returncode == 0:
        return None
    failed = re.search(r"^FAILED \S+::(\w+)", ran.stdout, re.MULTILINE)
    if failed is None:
        raise SystemExit(f"{name}: the tests did not run\n{ran.stdout}{ran.stderr}")
    return failed[1]
