"""Measures the house: the longest chain of imports, the longest modules, the fullest packages. `make lint` prints it.

`python -m tests.house` ends with 1 if a limit is passed, or if a class name is used twice. Limits are for people: what cannot be held in mind is split.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
CHAIN_MAX, LINES_MAX, MODULES_MAX, TEST_LINES_MAX = 18, 250, 15, 400


def longest_chain(package: str = "backfill") -> tuple[str, ...]:
    """Return the modules of the longest chain of imports, the importer first."""
    graph = grimp.build_graph(package, cache_dir=None)

    @cache
    def below(module: str) -> tuple[str, ...]:
        chains = (below(imported) for imported in sorted(graph.find_modules_directly_imported_by(module)))
        return (module, *max(chains, key=len, default=()))

    return max((below(module) for module in sorted(graph.modules)), key=len)


def lines_of(folder: Path) -> dict[Path, int]:
    """Return the lines of each Python file below a folder."""
    return {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in sorted(folder.rglob("*.py"))}


def modules_of(paths: dict[Path, int]) -> Counter[Path]:
    """Return how many modules each package holds, its own docstring's file aside."""
    return Counter(path.parent for path in paths if path.name != "__init__.py")


def classes_of(paths: dict[Path, int]) -> dict[str, list[Path]]:
    """Return the names of classes, each with the files that define it."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(path)
    return found


def main() -> int:
    """Print the measures; return 1 if one is beyond its limit."""
    code, tests = lines_of(ROOT / "backfill"), lines_of(ROOT / "tests")
    chain, modules = longest_chain(), modules_of(code)
    fullest, count = max(modules.items(), key=lambda item: item[1])
    longest = max(code, key=lambda path: code[path])
    longest_test = max(tests, key=lambda path: tests[path])
    print(f"longest chain of imports: {len(chain)} modules (at most {CHAIN_MAX}): {' > '.join(chain)}")
    print(f"longest module: {longest}, {code[longest]} lines (at most {LINES_MAX})")
    print(f"fullest package: {fullest}, {count} modules (at most {MODULES_MAX})")
    print(f"longest test file: {longest_test}, {tests[longest_test]} lines (at most {TEST_LINES_MAX})")
    wrong = [f"{path}: {lines} lines" for path, lines in code.items() if lines > LINES_MAX]
    wrong += [f"{path}: {lines} lines" for path, lines in tests.items() if lines > TEST_LINES_MAX]
    wrong += [f"{path}: {count} modules" for path, count in modules.items() if count > MODULES_MAX]
    if len(chain) > CHAIN_MAX:
        wrong.append(f"the chain has {len(chain)} modules")
    for line in wrong:
        print(f"too large: {line}")
    twice = {name: paths for name, paths in classes_of(code).items() if len(paths) > 1}
    for name, paths in twice.items():
        print(f"class name used twice: {name} in {', '.join(map(str, paths))}")
    return 1 if wrong or twice else 0


if __name__ == "__main__":
    sys.exit(main())
