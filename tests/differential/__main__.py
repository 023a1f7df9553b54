"""`python -m tests.differential [PATTERN]`: the fixed cases whose name has it, each with how the job differs."""

from __future__ import annotations

import sys

from tests.differential.comparison import compare
from tests.differential.corpus import CORPUS
from tests.differential.playing import playground


def main(pattern: str) -> int:
    """Play the cases; return how many differ."""
    differing = 0
    with playground() as ground:
        for name, case in CORPUS.items():
            if pattern not in name or ground.version < case.server_min:
                continue
            played = ground.play(case)
            difference = compare(case, played)
            differing += difference is not None
            _say(f"{difference.kind.name if difference else 'equal':<10} exit {played.job_end.exit_code}  {name}")
            for line in difference.shown.splitlines()[:12] if difference else ():
                _say(f"    {line}")
    _say(f"{differing} cases differ")
    return differing


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])) > 0)
