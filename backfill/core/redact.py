"""Text without its passwords: what may be logged, shown or raised.

A password is known by where it stands: before the `@` of a URL, or after `password` in conninfo, a URL's
query, an environment or SQL. Where a text is ambiguous too much is masked, never too little.
"""

from __future__ import annotations

import re

MASK = "***"

# A raw password may hold what a URL forbids, so the mask runs to the last @ of the word; a postgres URL may
# even hold spaces, and there a port is told from a password by what follows its digits.
_URL = re.compile(
    r"(?P<head>[a-z][a-z0-9+.-]*://[^\s:/@?#]*:)\S*@"
    r"|(?P<postgres>postgres(?:ql)?://[^\s:/@?#]*:)(?!\d+(?:[/?,;\s]|$))[^\n]*@",
    re.IGNORECASE,
)
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
    text = _URL.sub(lambda match: f"{match['head'] or match['postgres']}{MASK}@", text)
    return _WORD.sub(lambda match: f"{match['word'] or match['head']}{MASK}", text)
