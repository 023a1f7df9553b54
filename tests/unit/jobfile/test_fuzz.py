"""Whatever bytes a job file has, it is a job or an error at its place, soon."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfill.jobfile.load import PROBLEMS_MAX, load
from backfill.service.job_directory import read_job
from backfill.values.errors import JobError
from backfill.values.redact import redact

JOBS = Path(__file__).parents[3] / "jobs"
SOUND_JOBS = [path.read_text(encoding="utf-8") for path in sorted(JOBS.rglob("*.yaml"))]
SOUND = "name: a\ntable: t\nset: {x: y}\nwhere: x IS NULL\n"
LINE = re.compile(r"job\.yaml:[1-9]\d*:[1-9]\d*: \S[^\n]*")
SIZE = 150_000
"""Enough to show what grows with the square of a file."""

TOKEN = re.compile(r"\s+|[A-Za-z_]+|[0-9]+|.", re.DOTALL)
STRANGE = st.sampled_from(
    [
        *("&a ", "*a ", "&a [*a]", "<<: *a", "!!binary ", "!!timestamp ", "!!python/name:os.system ", "!<x> ", "! "),
        *(".nan", ".inf", "-.inf", "0x1F", "0o17", "1e999", "9" * 400, "-0", "1_000", "2026-02-30", "12:30:45", "~"),
        *("\u202e", "\u200b", "\ufeff", "\u2028", "\x85", "\x00", "\x1b[31m", "\ud800", "\U0001f600", "\xa0", "é"),
        *(
            "{",
            "}",
            "[",
            "]",
            ": ",
            "- ",
            "? ",
            "| \n",
            ">+9\n",
            "|-\n",
            "'",
            '"',
            "#",
            "%YAML 9.9\n",
            "---\n",
            "...\n",
        ),
        *("\\x0", "\\u12", "\\U00110000", "\t", "\r", "\r\n", "\n\n", "[" * 9, "{a: " * 9, "- " * 9, "@", "`"),
        *(";", "--", "/*", "*/", "$$", "$1", "$tag$", "''", "E'\\'", "SELECT", "WHERE", "(" * 40, ")" * 40, ","),
    ]
)


def judged(text: str) -> str | None:
    """Return what is wrong with a text; fail where it is told in any other way than with its place."""
    try:
        job_file = load(text, "job.yaml")
    except JobError as error:
        lines = str(error).split("\n")
        assert all(LINE.fullmatch(line) for line in lines), lines
        assert len(lines) <= PROBLEMS_MAX + 1
        return str(error)
    assert LINE.fullmatch(job_file.at("where") + ": x")
    return None


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(SOUND.encode().__add__)))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    path = tmp_path_factory.getbasetemp() / "job.yaml"
    path.write_bytes(content)
    with suppress(JobError):
        read_job(path)
        return
    with pytest.raises(JobError) as caught:
        read_job(path)
    lines = str(caught.value).split("\n")
    assert all(LINE.fullmatch("job.yaml" + line.removeprefix(str(path))) for line in lines), lines


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_tokens_lost_doubled_swapped_and_strange_ones_between(data: st.DataObject):
    tokens = TOKEN.findall(data.draw(st.sampled_from(SOUND_JOBS)))
    for _ in range(data.draw(st.integers(1, 6))):
        place, other = (data.draw(st.integers(0, max(0, len(tokens) - 1))) for _ in range(2))
        match data.draw(st.sampled_from(["lose", "double", "swap", "insert", "replace"])):
            case "lose":
                del tokens[place : place + 1]
            case "double":
                tokens[place:place] = tokens[place : place + 1]
            case "swap" if tokens:
                tokens[place], tokens[other] = tokens[other], tokens[place]
            case "insert":
                tokens.insert(place, data.draw(STRANGE))
            case _:
                tokens[place : place + 1] = [data.draw(STRANGE)]
    judged("".join(tokens))


_SCALARS = st.one_of(STRANGE, st.integers().map(str), st.floats().map(str), st.dates().map(str), st.text(max_size=12))
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_SCALARS, inner, max_size=3),
    max_leaves=8,
)
_KEYS = st.sampled_from(
    [
        *("name", "table", "set", "where", "using", "python", "batch", "throttle", "lanes", "lock_timeout", "vacuum"),
        *("rows", "max_lag", "replicas", "require", "direct", "probes", "sql", "max", "prometheus", "on", "as"),
    ]
)


def replica_window(value: object) -> str:
    """Write a value as YAML, its texts as they are."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {replica_window(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(map(replica_window, value)) + "]" if isinstance(value, list) else str(value)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(_KEYS, _VALUES, max_size=6))
def test_any_value_under_any_key(values: dict[str, object]):
    judged(SOUND + "".join(f"{key}: {replica_window(value)}\n" for key, value in values.items()))
    judged("".join(f"{key}: {replica_window(value)}\n" for key, value in values.items()))


HEAVY = {
    "keys without end": SOUND + "".join(f"k{number}: 1\n" for number in range(80_000)),
    "columns without end": "name: a\ntable: t\nwhere: x\nset:\n" + "".join(f"  1c{n}: y;\n" for n in range(2400)),
    "one key again and again": SOUND + "a:\n" * (SIZE // 3 - 100),
    "items without end": SOUND + "lanes: [" + "1," * (SIZE // 2 - 100) + "]",
    "wrong keys that are near": SOUND + "".join(f"throtle{number}: 1\n" for number in range(2400)),
    "wrong keys that are long": SOUND + "".join(f"{'k' * 300}{number}: 1\n" for number in range(2400)),
    "wrong probes": SOUND + "throttle: {probes: [" + "{name: A}, " * 1200 + "]}",
    "names that are required and ignored": SOUND
    + "throttle: {replicas: {require: ["
    + ", ".join(f"a{n}" for n in range(1500))
    + "], ignore: ["
    + ", ".join(["'*'"] * 1500)
    + "]}}",
    "a plain text": SOUND + "lanes: " + "x" * SIZE,
    "plain words": SOUND + "lanes: " + "x " * (SIZE // 2 - 100),
    "a text in quotes": SOUND + "lanes: '" + "x" * (SIZE - 100) + "'",
    "escapes": SOUND + 'lanes: "' + "\\x41" * (SIZE // 4 - 100) + '"',
    "lines": SOUND + "lanes: |\n" + " x\n" * (SIZE // 3 - 100),
    "comments": SOUND + "#\n" * (SIZE // 2 - 100),
    "line breaks": SOUND + "\n" * (SIZE - 100),
    "blanks": SOUND + "lanes:" + " " * (SIZE - 100),
    "digits": SOUND + "lanes: " + "9" * (SIZE - 100),
    "digits and a unit": SOUND + "lock_timeout: " + "9" * (SIZE - 100) + "s",
    "durations": SOUND + "lock_timeout: " + "1s" * (SIZE // 2 - 100),
    "a size": SOUND + "throttle: {max_lag_bytes: " + "9" * (SIZE - 100) + "MB}",
    "open brackets": SOUND + "[" * (SIZE - 100),
    "open braces": SOUND + "x: " + "{" * (SIZE - 100),
    "dashes": SOUND + "x:\n  " + "- " * (SIZE // 2 - 100),
    "question marks": SOUND + "? " * (SIZE // 2 - 100),
    "open quotes": SOUND + "lanes: " + "'\"" * (SIZE // 2 - 100),
    "anchors": SOUND + "x: [" + "&a , " * (SIZE // 5 - 100),
    "tags": SOUND + "x: [" + "!!a , " * (SIZE // 6 - 100),
    "percents": "%" * SIZE,
    "colons": SOUND + ":" * (SIZE - 100),
    "an expression of parentheses": SOUND.replace("y}", "'" + "(" * (SIZE // 2) + ")" * (SIZE // 3) + "'}"),
    "an expression of quotes": SOUND.replace("x IS NULL", "|\n  " + "'a" * (SIZE // 2 - 100)),
    "an expression of dollars": SOUND.replace("x IS NULL", "|\n  " + "$a$ $b$ " * (SIZE // 8 - 100)),
    "an expression of comments": SOUND.replace("x IS NULL", "|\n  " + "/*" * (SIZE // 2 - 100)),
    "an expression that ends late": SOUND.replace("x IS NULL", "|\n  " + "a + " * (SIZE // 4 - 100) + ";"),
    "a table of dots": SOUND.replace("table: t", "table: " + "a." * (SIZE // 2 - 100)),
    "a table of quotes": SOUND.replace("table: t", "table: '" + '"' * (SIZE - 200) + "'"),
    "a function of dots": SOUND + "python: {function: " + "a." * (SIZE // 2 - 100) + ":f, inputs: [x]}",
    "a conninfo": SOUND + "throttle: {replicas: {direct: ['" + "a=b " * (SIZE // 4 - 100) + "']}}",
    "an address": SOUND + "throttle: {probes: [{prometheus: http://" + "a/" * (SIZE // 2 - 100) + "}]}",
}


@pytest.mark.parametrize("kind", HEAVY)
def test_no_file_takes_long(kind: str):
    """By the processor's time: it takes about a second at most, and minutes where it grows with the square."""
    text = HEAVY[kind][:SIZE]
    began_s = time.process_time()
    judged(text)
    assert time.process_time() - began_s < 4


def test_a_file_of_mistakes_reports_the_first_and_how_many_more_there_are():
    said = (judged(SOUND + "".join(f"k{number}: 1\n" for number in range(60))) or "").split("\n")
    assert len(said) == PROBLEMS_MAX + 1
    assert said[0].startswith("job.yaml:5:1: unknown key 'k0'; allowed are name, ")
    assert said[-1] == "job.yaml:55:1: 10 more mistakes from here on"


@pytest.mark.parametrize("text", ["x", "://", "a://:", "postgres://:", "a@b ", "password "])
def test_a_long_message_is_redacted_soon(text: str):
    """A trigger may say what it likes, however long."""
    began_s = time.process_time()
    redact(text * (10 * SIZE // len(text)))
    assert time.process_time() - began_s < 4


def test_a_whole_megabyte_is_judged():
    assert (
        judged("#" * 1_000_000) == "job.yaml:1:1: the file is empty; a job file has at least name, table, set and where"
    )
    assert judged("x" * 1_000_001) == "job.yaml:1:1: the file has 1000001 characters; allowed are 1000000"
    text = SOUND.replace("y}", "\"'" + "x" * 900_000 + "'\"}")
    assert judged(text) is None
