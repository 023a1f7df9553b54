"""PyYAML's syntax errors in words for a person, who most often wrote SQL that YAML reads differently."""

from __future__ import annotations

import re

import yaml

_INDENTATION = "this line's indentation fits none above it"
_QUOTE = "quote the value as a whole, or write it in lines after '|'"
_ENDED = f"the value ends before this; {_QUOTE}"

# A pattern of `context: problem`, whether the position is the beginning of the construct, and our words.
_WORDS = tuple(
    (re.compile(pattern, re.DOTALL), at_begin, words)
    for pattern, at_begin, words in (
        (r".*found character '\\t' that cannot", False, "a tab; YAML indents and separates with spaces"),
        (r".*found character (.+) that cannot", False, rf"\1 cannot begin a value; {_QUOTE}"),
        (
            r".*mapping values are not allowed",
            False,
            f"a second ':' in one value, or wrong indentation; {_QUOTE}",
        ),
        (r".*mapping keys are not allowed", False, f"'?' cannot begin a value; {_QUOTE}"),
        (r".*sequence entries are not allowed", False, f"'-' and a blank cannot begin a value; {_QUOTE}"),
        (r".*could not find expected ':'", True, "a line without ':'; write key: value"),
        (r".*but found '(<block mapping start>|<block sequence start>)'", False, _INDENTATION),
        (r".*but found '-'", False, "a list item where a key belongs"),
        (r".*but found '\?'", False, "a key where a list item belongs"),
        (r".*expected <block end>", False, _ENDED),
        (r".*expected ',' or '(.)', but got '<stream end>'", True, r"'\1' is missing at the end of this"),
        (r".*expected ',' or '(.)'", False, rf"expected ',' or '\1'; {_QUOTE}"),
        (r".*found unexpected (end of stream|document separator)", True, "a quote that is never closed"),
        (r".*found unknown escape character ['\"](.+)['\"]", False, rf"no escape '\\\1' in double quotes; {_QUOTE}"),
        (r".*expected escape sequence", False, "an escape that is too short, in double quotes"),
        (r".*expected the node content, but found '<", False, "a value is missing before this"),
        (r".*expected the node content, but found (.+)", False, rf"\1 cannot begin a value; {_QUOTE}"),
        (r"while scanning a block scalar", True, f"'|' and '>' begin lines of text; {_QUOTE}"),
        (r"while scanning an a", True, f"'*' and '&' cannot begin a value; {_QUOTE}"),
        (
            r"while (scanning|parsing) a tag|.*undefined tag handle",
            True,
            f"'!' cannot begin a value; {_QUOTE}",
        ),
        (r".*directive|.*document \(version", True, "a line that begins with '%'; remove it"),
        (r".*expected '<document start>'", False, _INDENTATION),
    )
)


def describe_syntax_error(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str]:
    """Return the index where a person should look, and what is wrong there."""
    said = f"{error.context or ''}: {error.problem or ''}"
    mark = error.problem_mark or error.context_mark
    for pattern, at_begin, words in _WORDS:
        if found := pattern.match(said):
            index = _index(error.context_mark or mark) if at_begin else _index(mark)
            # 'text' || column: to YAML the second bar begins lines of text, to a person the quotes ended too early.
            early = text[index : index + 1] in {"|", ">"} and text[:index].rstrip(" ").endswith(("'", '"'))
            return index, f"not YAML: {_ENDED if early else found.expand(words)}"
    return _index(mark), f"not YAML: {error.problem}"


def _index(mark: yaml.Mark | None) -> int:
    return mark.index if mark else 0
