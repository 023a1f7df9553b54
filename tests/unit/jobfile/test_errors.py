"""Wrong expressions and files that are not a job file at all, and the exact words for each; any text gets an answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfill.jobfile.load import load
from backfill.values.errors import JobError
from tests.unit.jobfile.job_errors import errors_of, has_our_words_only

JOBS = Path(__file__).parents[3] / "jobs"
SOUND_JOBS = [path.read_text(encoding="utf-8") for path in sorted(JOBS.rglob("*.yaml"))]

# The text after `  x:` on line 4.
EXPRESSIONS = [
    ("", "4:5: an empty expression; write an SQL expression, or NULL"),
    ("~", "4:6: 'x' is '~', nothing; write NULL for SQL's null"),
    ("''", "4:6: an empty expression; write an SQL expression, or NULL"),
    ("[a]", "4:6: 'x' is a list; write an SQL expression as one text, in quotes or in lines after '|'"),
    ("{a: b}", "4:6: 'x' is a mapping; write an SQL expression as one text, in quotes or in lines after '|'"),
    ("y;", "4:7: an expression has no ';'; remove it"),
    ("y; DELETE FROM t", "4:7: two statements in one expression; an expression has no ';'"),
    ("(y", "4:6: '(' is never closed"),
    ("y)", "4:7: ')' closes nothing"),
    ("f(y]", "4:9: ']' closes the wrong bracket"),
    ("a, b", "4:7: two expressions: ',' outside parentheses"),
    ("'''open'", '4:7: "\'" is never closed'),
    ('"\'open"', '4:7: "\'" is never closed'),
    ('y || "open', "4:11: '\"' is never closed"),
    ("$$open", "4:6: '$$' is never closed"),
    ("y /* open", "4:8: '/*' is never closed"),
    ("y = $1", "4:10: a parameter '$1'; an expression has no parameters"),
    ("SELECT y FROM u", "4:6: 'select' begins a statement, not an expression; put a sub-select in parentheses"),
    ("update u set y = 1", "4:6: 'update' begins a statement, not an expression; put a sub-select in parentheses"),
    ("-- nothing", "4:6: an empty expression; write an SQL expression, or NULL"),
    ('"a\\0b"', "4:8: a character that PostgreSQL cannot store: '\\x00'"),
    ("payload #>> '{a}'", "4:14: '#>>' begins a comment in YAML; quote the expression, or write it in lines after '|'"),
    ("payload #- '{a}'", "4:14: '#-' begins a comment in YAML; quote the expression, or write it in lines after '|'"),
    (
        "'it' || y",
        "4:11: not YAML: the value ends before this; quote the value as a whole, or write it in lines after '|'",
    ),
    ("|\n    y +\n    (1", "6:5: '(' is never closed"),
    (">-\n    y\n    ; z", "6:5: two statements in one expression; an expression has no ';'"),
    ("y\n    ; z", "5:5: two statements in one expression; an expression has no ';'"),
]

# What stands after `where:` on line 4.
CONDITIONS = [
    ("", "4:7: an empty expression; write an SQL expression, or NULL"),
    ("~", "4:8: 'where' is '~', nothing; write NULL for SQL's null"),
    ("WHERE x", "4:8: a condition begins without WHERE; remove the word"),
    ("[x]", "4:8: 'where' is a list; write an SQL expression as one text, in quotes or in lines after '|'"),
    (
        "x = 'a: b'",
        "4:14: not YAML: a second ':' in one value, or wrong indentation; quote the value as a whole, or write it in lines after '|'",
    ),
    ("x IS NULL;", "4:17: an expression has no ';'; remove it"),
    (
        "data #> '{a}' IS NULL",
        "4:13: '#>' begins a comment in YAML; quote the expression, or write it in lines after '|'",
    ),
]

# Whole files.
WHOLE = [
    ("", "1:1: the file is empty; a job file has at least name, table, set and where"),
    ("# nothing\n", "1:1: the file is empty; a job file has at least name, table, set and where"),
    ("---\n", "1:1: the file is empty; a job file has at least name, table, set and where"),
    ("a job", "1:1: the file is a text, not a mapping; a job file has at least name, table, set and where"),
    ("- name: a", "1:1: the file is a list, not a mapping; a job file has at least name, table, set and where"),
    (
        "name: a",
        "1:1: missing key 'table'; write it as table: public.users\n1:1: missing key 'set'; write it as set: {handle: username}\n1:1: missing key 'where'; write it as where: handle IS NULL",
    ),
    (
        "set: {}\nname:\ntable: a.b.c\nwhere: x",
        "1:6: 'set' is an empty mapping; write a mapping such as set: {handle: username}\n2:6: 'name' is empty; write a text\n3:8: 'table' is not a table name: 'a.b.c'; write table or schema.table, in double quotes as in SQL",
    ),
    (
        "name: A\ntable: users.\nset: {'': x, a.b: x, 1a: x}\nwhere: x",
        "1:7: not a job name: 'A'; allowed are up to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit\n2:8: 'table' is not a table name: 'users.'; write table or schema.table, in double quotes as in SQL\n3:7: not a column name: ''; write one name, in double quotes as in SQL\n3:14: not a column name: 'a.b'; write one name, in double quotes as in SQL\n3:22: not a column name: '1a'; write one name, in double quotes as in SQL",
    ),
    (
        "name: 2024\ntable: ''\nset: x\nwhere: x",
        "1:7: 'name' is '2024', a number; put it in quotes\n2:8: 'table' is not a table name: ''; write table or schema.table, in double quotes as in SQL\n3:6: 'set' is 'x'; write a mapping such as set: {handle: username}",
    ),
    (
        "name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\ntable: tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt\nset: []\nwhere: x",
        "1:7: not a job name: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…'; allowed are up to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit\n2:8: 'table' is not a table name: 'tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt…' has 64 bytes; allowed are 63\n3:6: 'set' is an empty list; write a mapping such as set: {handle: username}",
    ),
    (
        "name: true\ntable: ~\nset:\nwhere: x",
        "1:7: 'name' is 'true', a truth value; put it in quotes\n2:8: 'table' is '~', nothing; write a text\n3:5: 'set' is empty; write a mapping such as set: {handle: username}",
    ),
    (
        "name: [a]\ntable: {a: b}\nset: {handle: x, HANDLE: y}\nwhere: x",
        "1:7: 'name' is a list; write a text\n2:8: 'table' is a mapping; write a text",
    ),
    ("name: a\ntable: t\nset: {handle: x, HANDLE: y}\nwhere: x", "3:18: column 'handle' is set twice"),
    (
        "name: a b\ntable: a b\nset: {x: y, x: z}\nwhere: x",
        "1:7: not a job name: 'a b'; allowed are up to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit\n2:8: 'table' is not a table name: 'a b'; write table or schema.table, in double quotes as in SQL\n3:13: duplicate key 'x'; it is on line 3 already",
    ),
    (
        "name: a\ntable: '\"t'\nset: {'\"\"': y}\nwhere: x",
        "2:8: 'table' is not a table name: '\"t'; write table or schema.table, in double quotes as in SQL\n3:7: not a column name: ''; a name has at least one character",
    ),
    (
        "\ufeffname: a\ntabel: t",
        "1:1: missing key 'table'; write it as table: public.users\n1:1: missing key 'set'; write it as set: {handle: username}\n1:1: missing key 'where'; write it as where: handle IS NULL\n2:1: unknown key 'tabel'; did you mean 'table'?",
    ),
    (
        "name: a\r\ntabel: t\r\nset: {x: y}\r\n",
        "1:1: missing key 'table'; write it as table: public.users\n1:1: missing key 'where'; write it as where: handle IS NULL\n2:1: unknown key 'tabel'; did you mean 'table'?",
    ),
]


@pytest.mark.parametrize(("written", "expected"), EXPRESSIONS)
def test_an_expression(written: str, expected: str):
    assert errors_of(f"name: a\ntable: t\nset:\n  x: {written}\nwhere: z\n") == expected
    assert has_our_words_only(expected)


@pytest.mark.parametrize(("written", "expected"), CONDITIONS)
def test_a_condition(written: str, expected: str):
    assert errors_of(f"name: a\ntable: t\nset: {{x: y}}\nwhere: {written}\n") == expected
    assert has_our_words_only(expected)


@pytest.mark.parametrize(("text", "expected"), WHOLE)
def test_a_file(text: str, expected: str):
    assert errors_of(text) == expected
    assert has_our_words_only(expected)


def test_a_file_is_bounded():
    assert errors_of("#" * 1_000_001) == "1:1: the file has 1000001 characters; allowed are 1000000"


def test_a_number_that_python_refuses():
    assert errors_of("%YAML 1." + "9" * 5000) == "1:1: not YAML: a number out of range"


def test_aliases_do_not_multiply():
    laughs = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 9))
    assert "an alias '*x0'" in errors_of("x0: &x0 [lol]\n" + laughs)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_depth_is_bounded(opening: str):
    assert errors_of("name:\n  " + opening * 50_000).endswith(": nested deeper than 8 levels")


def verdict_of(text: str) -> JobError | None:
    try:
        load(text, "job.yaml")
    except JobError as error:
        return error
    return None


PIECES = st.sampled_from(
    [
        *"\t\r\n :-?[]{},#&*!|>'\"%@`~<=;()$/\\0aé\x00\x85\u2028\ufeff",
        *("\n  ", ": ", "- ", "---\n", "...\n", " #", "null", "true", "5000", "10s", "256MB", "\\U99999999", "\\ud800"),
        *("&a ", "*a", "!!str ", "<<", "$1", "--", "/*", "$$"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES).map("".join)))
def test_any_text_is_a_job_or_a_job_error(text: str):
    error = verdict_of(text)
    assert error is None or all(line.startswith("job.yaml:") for line in str(error).split("\n"))


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_any_slip_of_the_hand_is_a_job_or_a_job_error(data: st.DataObject):
    text = data.draw(st.sampled_from(SOUND_JOBS))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(PIECES) + text[stop:]
    error = verdict_of(text)
    assert error is None or all(line.startswith("job.yaml:") for line in str(error).split("\n"))
