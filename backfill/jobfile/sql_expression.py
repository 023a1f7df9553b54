"""Checks an SQL expression by PostgreSQL's lexical rules, before any server sees it.

It finds whatever would let the expression reach beyond its position in our statement, or be a statement itself. The
server checks everything else (types, names, functions).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from backfill.values.text import LETTER, shown

_TOKEN = re.compile(
    rf"""
    (?P<space>      [ \t\n\r\f\v]++ )
  | (?P<line>       --[^\n\r]*+ )
  | (?P<comment>    /\* )
  | (?P<text>       '(?:[^']|'')*+'
      # E'…' reaches over a line break into its next part, and its backslashes with it.
      | [eE]'(?:[^'\\]|\\(?s:.)|'')*+'(?:[ \t\f\v]*+[\n\r]\s*+'(?:[^'\\]|\\(?s:.)|'')*+')*+ )
  | (?P<name>       "(?:[^"]|"")*+" )
  | (?P<dollar>     \$(?P<tag>(?:{LETTER}(?:{LETTER}|[0-9])*+)?)\$(?s:.*?)\$(?P=tag)\$ )
  | (?P<unclosed>   [eE]?' | " | \$(?:{LETTER}(?:{LETTER}|[0-9])*+)?\$ )
  | (?P<parameter>  \$[0-9]++ )
  | (?P<word>       {LETTER}(?:{LETTER}|[0-9$])*+ )
  | (?P<number>     [0-9]++(?:{LETTER}|[0-9.])*+ )
  | (?P<symbol>     . )
    """,
    re.VERBOSE,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
BLANK = frozenset({"space", "line", "comment"})
_PAIRS = {")": "(", "]": "["}
_LAST = frozenset({"unclosed", "deep"})
COMMENT_DEPTH_MAX = 32
"""PostgreSQL's time for nested comments grows with the square of their depth."""
_SAID = {
    "unclosed": "{} is never closed",
    "deep": f"comments nested deeper than {COMMENT_DEPTH_MAX} levels; remove them",
    "parameter": "a parameter {}; an expression has no parameters",
}
_TWO_STATEMENTS = "two statements in one expression; an expression has no ';'"

# A first word that makes a statement, and the word that must follow where the first may also name a column.
_STATEMENTS = {
    "select": None,
    "with": None,
    "create": None,
    "grant": None,
    "insert": "into",
    "merge": "into",
    "delete": "from",
    "update": "set",
}


@dataclass(frozen=True, slots=True)
class ExpressionFault:
    """What is wrong, and at which character of the expression."""

    offset: int
    message: str


@dataclass(frozen=True, slots=True)
class Token:
    """A word, name, number, text, symbol, blank or comment, and the character that it begins at."""

    kind: str
    text: str
    offset: int


def find_fault(expression: str) -> ExpressionFault | None:
    """Return the first fault of the expression, or None if only the server could find one."""
    tokens = [token for token in tokens_of(expression) if token.kind not in BLANK]
    if not tokens:
        return ExpressionFault(0, "an empty expression; write an SQL expression, or NULL")
    return _statement(tokens) or _character(expression) or _structure(tokens)


def terminated(expression: str) -> str:
    """Return the expression without trailing blanks, so that `)` may follow: a last `--` comment is terminated."""
    stripped = expression.rstrip(" \t\n\r\f\v")  # a no-break space is part of a name
    tokens = list(tokens_of(stripped))
    return stripped + "\n" if tokens and tokens[-1].kind == "line" else stripped


def normalized(expression: str) -> str:
    """Return the expression with one space for each run of blanks and comments, to compare expressions without them."""
    runs = groupby(tokens_of(expression), key=lambda token: token.kind in BLANK)
    return "".join(" " if blank else "".join(token.text for token in run) for blank, run in runs).strip(" ")


def tokens_of(expression: str) -> Iterator[Token]:
    """Yield the tokens of an expression, as PostgreSQL reads them."""
    position = 0
    while match := _TOKEN.match(expression, position):
        kind, end = str(match.lastgroup), match.end()
        if kind == "comment":
            kind, end = _comment(expression, end)
        yield Token(kind, expression[position:end], position)
        if kind in _LAST:
            return
        position = end


def _comment(expression: str, position: int) -> tuple[str, int]:
    """Return the kind and the end of the comment that opened before `position`: they nest, unlike C's."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(expression, position):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return "comment", edge.end()
        if depth > COMMENT_DEPTH_MAX:
            return "deep", position
    return "unclosed", position


def _statement(tokens: list[Token]) -> ExpressionFault | None:
    words = [token.text.lower() if token.kind == "word" else "" for token in tokens]
    if words[0] == "where":
        return ExpressionFault(tokens[0].offset, "a condition begins without WHERE; remove the word")
    if words[0] not in _STATEMENTS:
        return None
    follower = _STATEMENTS[words[0]]
    # UPDATE names its table before SET; the others have their second word second.
    rest = words[2:8] if follower == "set" else words[1:2]
    if follower is None or follower in rest:
        message = f"'{words[0]}' begins a statement, not an expression; put a sub-select in parentheses"
        return ExpressionFault(tokens[0].offset, message)
    return None


def _character(expression: str) -> ExpressionFault | None:
    for offset, character in enumerate(expression):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            return ExpressionFault(offset, f"a character that PostgreSQL cannot store: {character!r}")
    return None


def _structure(tokens: list[Token]) -> ExpressionFault | None:
    opened: list[Token] = []
    for token in tokens:
        message = _SAID[token.kind].format(shown(token.text)) if token.kind in _SAID else None
        if token.kind == "symbol":
            message = _symbol(token, opened, last=token is tokens[-1])
        if message:
            return ExpressionFault(token.offset, message)
    if opened:
        return ExpressionFault(opened[-1].offset, f"'{opened[-1].text}' is never closed")
    return None


def _symbol(token: Token, opened: list[Token], *, last: bool) -> str | None:
    """Return what is wrong with one character, given the brackets that are open before it; keep those up to date."""
    match token.text:
        case ";":
            return "an expression has no ';'; remove it" if last else _TWO_STATEMENTS
        case "," if not opened:
            return "two expressions: ',' outside parentheses"
        case "(" | "[":
            opened.append(token)
        case ")" | "]" if not opened:
            return f"'{token.text}' closes nothing"
        case ")" | "]" if opened.pop().text != _PAIRS[token.text]:
            return f"'{token.text}' closes the wrong bracket"
    return None
