"""An expression that could leave its place in our statements is found before a server sees it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.jobfile.sql_expression import ExpressionFault, find_fault, normalized, terminated

SOUND = [
    "username",
    "NULL",
    "f(a, b)",
    "(SELECT max(x) FROM u WHERE u.id = t.id)",
    "a[1]",
    "ARRAY[1, 2]",
    "ROW(1, 2)",
    "payload #>> '{a,b}'",
    "'it''s; fine, (really'",
    "'a back\\slash'",
    r"E'it\'s; fine, ('",
    r"e'\\'",
    "E'a'\n'\\''",
    r"U&'d\0061t'",
    '"a;b(,"',
    '"say ""hi"""',
    "$$;(,'$$",
    "$tag$ $$ ; $other$ $tag$",
    "$é$;$é$",
    "a$1",
    "a$b$c",
    "a -- ; ( ,",
    "a -- '\n + b",
    "a /* ; ( ' */ + b",
    "a /* /* ; */ ; */ + b",
    "selected",
    "update IS NULL",
    "delete",
    "insert(a, 1)",
    "merge + 1",
    "x::numeric(10, 2)",
    "a BETWEEN 1 AND 2",
    "größe + 1",
    "a +\r\n b",
    "1.5e3",
    "*",
]


@pytest.mark.parametrize("expression", SOUND)
def test_nothing_to_find(expression: str):
    assert find_fault(expression) is None


FAULTS = [
    ("", 0, "an empty expression; write an SQL expression, or NULL"),
    (" \t\n", 0, "an empty expression; write an SQL expression, or NULL"),
    ("-- nothing", 0, "an empty expression; write an SQL expression, or NULL"),
    ("/* nothing */", 0, "an empty expression; write an SQL expression, or NULL"),
    ("a;", 1, "an expression has no ';'; remove it"),
    ("a; -- end", 1, "an expression has no ';'; remove it"),
    ("a; DROP TABLE t", 1, "two statements in one expression; an expression has no ';'"),
    ("(a;)", 2, "two statements in one expression; an expression has no ';'"),
    ("'a' ; 'b'", 4, "two statements in one expression; an expression has no ';'"),
    ("a, b", 1, "two expressions: ',' outside parentheses"),
    ("(a), b", 3, "two expressions: ',' outside parentheses"),
    ("a = 1) OR (b = 2", 5, "')' closes nothing"),
    ("a]", 1, "']' closes nothing"),
    ("(a", 0, "'(' is never closed"),
    ("f((a)", 1, "'(' is never closed"),
    ("a[1", 1, "'[' is never closed"),
    ("(a]", 2, "']' closes the wrong bracket"),
    ("a[1)", 3, "')' closes the wrong bracket"),
    ("'a", 0, '"\'" is never closed'),
    ("a || 'b''", 5, '"\'" is never closed'),
    ("E'a\\'", 0, '"E\'" is never closed'),
    ('"a', 0, "'\"' is never closed"),
    ("1 + $$a", 4, "'$$' is never closed"),
    ("$a$ $b$", 0, "'$a$' is never closed"),
    ("a /* /* */", 2, "'/*' is never closed"),
    ("a = $1", 4, "a parameter '$1'; an expression has no parameters"),
    ("$12", 0, "a parameter '$12'; an expression has no parameters"),
    ("SELECT a FROM b", 0, "'select' begins a statement, not an expression; put a sub-select in parentheses"),
    ("  /* x */ select 1", 10, "'select' begins a statement, not an expression; put a sub-select in parentheses"),
    ("WITH x AS (SELECT 1) SELECT 1", 0, "'with' begins a statement, not an expression; put a sub-select in parentheses"),
    ("update only public.t as x set a = 1", 0, "'update' begins a statement, not an expression; put a sub-select in parentheses"),
    ("delete from t", 0, "'delete' begins a statement, not an expression; put a sub-select in parentheses"),
    ("insert into t values (1)", 0, "'insert' begins a statement, not an expression; put a sub-select in parentheses"),
    ("merge into t using u on true", 0, "'merge' begins a statement, not an expression; put a sub-select in parentheses"),
    ("WHERE a", 0, "a condition begins without WHERE; remove the word"),
    ("a\0", 1, r"a character that PostgreSQL cannot store: '\x00'"),
    ("'\ud800'", 1, r"a character that PostgreSQL cannot store: '\ud800'"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "offset", "message"), FAULTS)
def test_a_fault(expression: str, offset: int, message: str):
    assert find_fault(expression) == ExpressionFault(offset, message)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a \n", "a"),
        ("a -- why", "a -- why\n"),
        ("a -- why\n\n", "a -- why\n"),
        ("a /* why */ ", "a /* why */"),
        ("'-- no comment'", "'-- no comment'"),
        ("a\u00a0", "a\u00a0"),
        (" a", " a"),
    ],
)
def test_an_expression_may_be_followed_by_a_bracket(expression: str, expected: str):
    assert terminated(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a", "a"),
        ("  a\n  +  b -- why\n", "a + b"),
        ("a+b", "a+b"),
        ("a/* why */b", "a b"),
        ("'a  b'  ||  $$ c  -- d $$", "'a  b' || $$ c  -- d $$"),
    ],
)
def test_blanks_and_comments_do_not_make_another_expression(expression: str, expected: str):
    assert normalized(expression) == expected


PIECES = st.lists(
    st.sampled_from(
        [
            *"'\"\\()[],;$ \n\r\tab1é\x00*/-+",
            "--",
            "/*",
            "*/",
            "$$",
            "$a$",
            "$1",
            "E'",
            "''",
            "select ",
            "update ",
            "set ",
        ]
    )
)


@given(st.one_of(st.text(), PIECES.map("".join)))
def test_no_text_breaks_the_lexer(expression: str):
    found = find_fault(expression)
    assert found is None or 0 <= found.offset <= max(len(expression) - 1, 0)


@given(PIECES.map("".join))
def test_what_is_condensed_stays_so_and_stays_sound(expression: str):
    if find_fault(expression) is None:
        assert normalized(normalized(expression)) == normalized(expression)
        assert find_fault(normalized(expression)) is None


@given(PIECES.map("".join))
def test_a_sound_expression_stays_in_its_brackets(expression: str):
    if find_fault(expression) is None:
        assert find_fault(f"f({terminated(expression)}) IS NULL") is None
        assert find_fault(f"f({terminated(expression)}") == ExpressionFault(1, "'(' is never closed")
        found = find_fault(f"({terminated(expression)}); x")
        assert found == ExpressionFault(
            len(terminated(expression)) + 2, "two statements in one expression; an expression has no ';'"
        )


def test_comments_may_nest_but_not_without_end():
    assert find_fault("a " + "/*" * 32 + " x " + "*/" * 32) is None
    for depth in (33, 200_000):
        deep = find_fault("a " + "/*" * depth + " x " + "*/" * depth)
        assert deep == ExpressionFault(2, "comments nested deeper than 32 levels; remove them")
        assert find_fault("a " + "/*" * depth) == deep
