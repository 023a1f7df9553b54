"""`make mutations`: break the law in ways that somebody might, one at a time; a test has to notice each.

Every mutation is a replacement of text in a temporary copy of the project, and names the tests that are said to catch
it. Exits with 1 when one survives, or when its text is not found exactly once.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.sim.mutants import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
COPIED = ("backfill", "tests", "pyproject.toml", "README.md")
TIMEOUT_S = 120


def caught_by(mutation: Mutation) -> str | None:
    """Return the test that notices a mutation; None when it survives."""
    with TemporaryDirectory(prefix="backfill-mutation-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy)
        module = copy / "backfill" / "throttle" / f"{mutation.module.replace('.', '/')}.py"
        text = module.read_text()
        if text.count(mutation.old) != 1:
            raise SystemExit(f"{mutation.name}: {mutation.old!r} is not in {mutation.module}.py exactly once")
        module.write_text(text.replace(mutation.old, mutation.new))
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=no", *mutation.tests]
        ran = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if ran.returncode == 0:
        return None
    failed = re.search(r"^FAILED \S+::(\w+)", ran.stdout, re.MULTILINE)
    if failed is None:
        raise SystemExit(f"{mutation.name}: the tests did not run\n{ran.stdout}{ran.stderr}")
    return failed[1]


def main() -> None:
    with ThreadPoolExecutor(2) as pool:
        caught = list(pool.map(caught_by, MUTATIONS))
    for mutation, test in zip(MUTATIONS, caught, strict=True):
        sys.stdout.write(f"{mutation.name:48} {test or 'SURVIVES'}\n")
    sys.exit(1 if None in caught else 0)


if __name__ == "__main__":
    main()
