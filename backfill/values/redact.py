"""Text of others without its passwords, and not without end: what may be logged, shown or raised.

A password is recognized by its position: before the `@` of a URL, or after `password` in conninfo, a URL's
query, an environment or SQL. If a text is ambiguous, too much is masked, never too little.
"""

from __future__ import annotations

import re

MASK = "***"
MESSAGE_BYTES_MAX = 4096

# A raw password may hold what a URL forbids, so the mask runs to the last @ of the word; a postgres URL may
# even hold spaces, and there a port is recognized by what follows its digits.
_WORDS, _LINES = re.compile(r"\S+"), re.compile(r"[^\n]+")
_URL = re.compile(r"(?<![a-z0-9+.-])[a-z0-9+.-]++://[^\s:/@?#]*:", re.IGNORECASE)
_POSTGRES = re.compile(r"postgres(?:ql)?://[^\s:/@?#]*:(?!\d+(?:[/?,;\s]|$))(?!\*\*\*@)", re.IGNORECASE)
_QUOTED = r"""\\'.*?\\'|\\".*?\\"|'(?:\\.|[^'\\])*(?:'|\Z)|"(?:\\.|[^"\\])*(?:"|\Z)"""
_WORD = re.compile(
    rf"""
    (?P<word> password \s*=\s* ) (?: {_QUOTED} | (?: \\. | \S )+ )
    | (?P<head> password (?: ['"]\s*:\s* | \s+E? ) ) (?: {_QUOTED} )
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def redact(text: str) -> str:
    """Return the text with every password in it replaced by `***`."""
    text = _LINES.sub(lambda line: _masked(line[0], _POSTGRES), _WORDS.sub(lambda word: _masked(word[0], _URL), text))
    return _WORD.sub(lambda match: f"{match['word'] or match['head']}{MASK}", text)


def foreign(text: str) -> str:
    """Return what a server or a function said, without passwords and at most MESSAGE_BYTES_MAX of it.

    What is far behind the cut is not even looked at: a message may have gigabytes.
    """
    kept = text if len(text) <= 4 * MESSAGE_BYTES_MAX else text[: 4 * MESSAGE_BYTES_MAX]
    clean = redact(kept).strip().encode(errors="replace")
    if kept is text and len(clean) <= MESSAGE_BYTES_MAX:
        return clean.decode()
    return f"{clean[:MESSAGE_BYTES_MAX].decode(errors='ignore')}… ({len(text.encode(errors='replace')):,} bytes)"


def _masked(part: str, head: re.Pattern[str]) -> str:
    """Mask what stands between a URL's user and the last @, which is looked for first: a long text takes no longer."""
    end = part.rfind("@")
    begin = head.search(part) if end >= 0 else None
    return f"{part[: begin.end()]}{MASK}{part[end:]}" if begin and begin.end() <= end else part
