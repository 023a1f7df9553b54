"""`where` as the WHEN of a trigger: only conditions that depend on nothing but the row, and can never fail.

WHEN is evaluated under the settings of whoever writes, outside of any error handler of ours. So it has comparisons of
columns of the server's plain types with each other and with literals, IS NULL, IS DISTINCT FROM, AND, OR and NOT. Any
other condition is left to the trigger's function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backfill.jobfile.sql_expression import BLANK, Token, tokens_of
from backfill.values.identifier import RESERVED, quote

NUMBERS = frozenset({"smallint", "integer", "bigint", "numeric", "real", "double precision"})
TEXTS = frozenset({"text", "character varying", "character", "uuid"})
OTHERS = frozenset({"boolean", "date", "timestamp without time zone", "timestamp with time zone"})
COMPARED = NUMBERS | TEXTS | OTHERS
_OPERATORS = frozenset({"=", "<>", "!=", "<", ">", "<=", ">="})


class _BeyondGrammarError(Exception):
    """The condition is none of those that may stand in WHEN."""


def when_of(where: str, row: str, columns: Mapping[str, str]) -> str | None:
    """Return the condition over NEW; None if it has to be asked by the function.

    `row` is what `where` calls the row, `columns` the types of its columns that a BEFORE trigger sees.
    """
    parser = _Parser([token for token in tokens_of(where) if token.kind not in BLANK], row, columns)
    try:
        text = parser.disjunction()
    except _BeyondGrammarError:
        return None
    return text if parser.at_end else None


def plain_type(name: str) -> str:
    """Return a type, as `format_type` prints it, without schema, length and collation."""
    plain = name.removeprefix("pg_catalog.").partition(" COLLATE ")[0]
    head, parenthesis, tail = plain.partition("(")
    return head + tail.partition(")")[2] if parenthesis else plain


@dataclass(slots=True)
class _Parser:
    """Recursive descent over the tokens; each method returns SQL over NEW."""

    rest: list[Token]
    row: str
    columns: Mapping[str, str]
    place: int = field(default=0)

    @property
    def at_end(self) -> bool:
        return self.place == len(self.rest)

    def disjunction(self) -> str:
        parts = [self._conjunction()]
        while self._word("or"):
            parts.append(self._conjunction())
        return " OR ".join(parts)

    def _conjunction(self) -> str:
        parts = [self._negation()]
        while self._word("and"):
            parts.append(self._negation())
        return " AND ".join(parts)

    def _negation(self) -> str:
        return f"NOT {self._negation()}" if self._word("not") else self._condition()

    def _condition(self) -> str:
        if self._symbol("("):
            inner = self.disjunction()
            if not self._symbol(")"):
                raise _BeyondGrammarError
            return f"({inner})"
        column, kind = self._column()
        if self._word("is"):
            return f"{column} {self._is(kind)}"
        operator = self._operator()
        if operator:
            return f"{column} {operator} {self._operand(kind)}"
        if kind != "boolean":
            raise _BeyondGrammarError
        return column

    def _is(self, kind: str) -> str:
        negated = "IS NOT" if self._word("not") else "IS"
        if self._word("null"):
            return f"{negated} NULL"
        if self._word("distinct") and self._word("from"):
            return f"{negated} DISTINCT FROM {self._operand(kind)}"
        word = next((word for word in ("true", "false", "unknown") if self._word(word)), None)
        if word is None or kind != "boolean":
            raise _BeyondGrammarError
        return f"{negated} {word.upper()}"

    def _operand(self, kind: str) -> str:
        """Return a literal or another column of the same type; a date's literal may mean today, and is neither."""
        if kind not in COMPARED:
            raise _BeyondGrammarError
        if kind == "boolean" and (word := next((word for word in ("true", "false") if self._word(word)), None)):
            return word.upper()
        token = self._take("number") or self._take("text")
        if token is None:
            column, other = self._column()
            if other != kind:
                raise _BeyondGrammarError
            return column
        fits = kind in NUMBERS if token.kind == "number" else kind in TEXTS and token.text.startswith("'")
        if not fits or "\\" in token.text:
            raise _BeyondGrammarError
        return token.text

    def _column(self) -> tuple[str, str]:
        name = self._name()
        if self._symbol("."):
            if name != self.row:
                raise _BeyondGrammarError
            name = self._name()
        if name not in self.columns:
            raise _BeyondGrammarError
        return f"NEW.{quote(name)}", plain_type(self.columns[name])

    def _name(self) -> str:
        if token := self._take("name"):
            return token.text[1:-1].replace('""', '"')
        token = self._take("word")
        if token is None or token.text.lower() in RESERVED:  # such a word is no column: `user` is a function
            raise _BeyondGrammarError
        return "".join(letter.lower() if letter.isascii() else letter for letter in token.text)

    def _operator(self) -> str:
        signs = ""
        while (token := self._peek()) and token.kind == "symbol" and token.text in "=<>!~+-*/%^&|#@?":
            signs += token.text
            self.place += 1
        if signs and signs not in _OPERATORS:
            raise _BeyondGrammarError
        return signs

    def _peek(self) -> Token | None:
        return None if self.at_end else self.rest[self.place]

    def _take(self, kind: str) -> Token | None:
        token = self._peek()
        if token is None or token.kind != kind:
            return None
        self.place += 1
        return token

    def _word(self, word: str) -> bool:
        token = self._peek()
        found = token is not None and token.kind == "word" and token.text.lower() == word
        self.place += found
        return found

    def _symbol(self, symbol: str) -> bool:
        token = self._peek()
        found = token is not None and token.kind == "symbol" and token.text == symbol
        self.place += found
        return found
