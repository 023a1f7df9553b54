"""Finds words in what users see that a native DBA would not write. `python -m tests.english [FOLDER …]` lists them.

What users see: string literals of the product that are not docstrings, help texts, descriptions of the job file's keys,
alerts, panels, comments in SQL, and documents.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

BANNED = {
    r"\b(?:tells?|telling|told)\b": "report, say, show, log",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bno more\b(?! than)": "no longer",
    r"\bof (?:ours|yours|theirs)\b": "our, your, their",
    r"\bfor ever\b": "forever",
    r"\bset(?:s|ting)? (?:\w+ ){0,3}aside\b": "reject, skip, record",
    r"\blet (?:\w+ ){1,4}be\b": "an active verb",
    r"\bso[ -]many(?:eth)?\b": "the number",
    r"\blest\b": "so that … not",
    r"(?<!there )\b(?:is|are) no (?!longer\b|less\b|more than\b)": "is not a",
    r"\b(?:rows|leaves) (?:that are )?(?:still )?to do\b": "matching rows",
    r"\bonly where\b": "only if",
    r"\bmay not be had\b|\bis (?:not )?(?:to be )?had\b": "is (not) available",
    r"\bwhat stands?\b|\bstands? (?:before|after|there)\b": "is",
}
"""What must not be written, and what to write instead."""

_PATTERNS = {re.compile(pattern, re.IGNORECASE): instead for pattern, instead in BANNED.items()}


@dataclass(frozen=True, slots=True)
class Finding:
    """A banned word, and where it is."""

    path: Path
    line: int
    word: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.word!r}; write {self.instead}"


_SUFFIXES = (".py", ".sql", ".md", ".yaml", ".yml")


def find(path: Path) -> Iterator[Finding]:
    """Yield the banned words in what users see of a file."""
    for line, text in _visible(path):
        for number, part in enumerate(text.splitlines()):
            for word, instead in find_in(part):
                yield Finding(path.relative_to(ROOT), line + number, word.strip(), instead)


def find_in(text: str) -> Iterator[tuple[str, str]]:
    """Yield the banned words of a text, each with what to write instead."""
    for pattern, instead in _PATTERNS.items():
        for found in pattern.finditer(text):
            yield found[0], instead


def files(*folders: str) -> Iterator[Path]:
    """Yield the files below some folders, or files themselves, that users may see something of.

    Migrations stay as they were applied.
    """
    for folder in folders:
        path = ROOT / folder
        found = [path] if path.is_file() else sorted(path.rglob("*"))
        yield from (one for one in found if one.suffix in _SUFFIXES and "migrations" not in one.parts)


def _visible(path: Path) -> Iterator[tuple[int, str]]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from _literals(ast.parse(text))
    elif path.suffix == ".md":
        yield 1, _without_code(text)
    else:
        yield 1, text


def _literals(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield string literals that are not docstrings, but for those of commands, which are their help."""
    silent = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            yield node.lineno, node.value


def _without_code(text: str) -> str:
    """Return a document with its code blanked, line by line, and without its lists of bad and good pairs."""
    text = re.sub(r"```.*?```", lambda block: "\n" * block[0].count("\n"), text, flags=re.DOTALL)
    return re.sub(r"`[^`\n]*`", "``", text)


def main(folders: list[str]) -> int:
    """Print what is found below the folders; return 1 if anything is."""
    found = [finding for path in files(*folders) for finding in find(path)]
    print("\n".join(map(str, found)))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["backfill", "docs", "grafana", "deploy", "jobs", "README.md", "CHANGELOG.md"]))
