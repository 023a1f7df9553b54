"""A row function loaded and called, in this process: what it may return, and what is said where it does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backfill.postgres.mapping.encode import text_of
from backfill.rowfunction.call import answer, load
from backfill.rowfunction.protocol import LoadRequest, Unloadable

TEXT = (("handle", "text"),)
TWO = (("handle", "text"), ("size", "integer"))
ROWS: list[tuple[Any, ...]] = [(1, "a"), (2, None), (3, "c")]

MODULE = """
NUMBER = 7

def handles(rows):
    return [row["name"] and row["name"] * row["id"] for row in rows]

def no_none(rows):
    return tuple(row["name"].upper() for row in rows)

def drops(rows):
    return [row["name"] for row in rows if row["name"]]

def generator(rows):
    return (row["name"] for row in rows)

def nothing(rows):
    pass

def leaves(rows):
    import sys
    sys.exit("enough")

def many_only(rows):
    if len(rows) > 1:
        raise ValueError("one at a time")
    return ["x"]

def greedy(rows):
    for row in rows:
        row.clear()
    return [None for _ in rows]

def mappings(rows):
    return [{"size": row["id"], "handle": row["name"]} for row in rows]

def tuples(rows):
    return [(row["name"], row["id"]) for row in rows]

def one_value(rows):
    return [row["name"] for row in rows]

def other_keys(rows):
    return [{"handle": "x", "size": 1, "more": 2} for row in rows]

def objects(rows):
    return [object() if row["id"] == 3 else row["name"] for row in rows]

async def later(rows):
    return rows

def yields(rows):
    yield from rows
"""


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A job file's directory with modules, of which nothing is left in this process afterwards."""
    path, modules = list(sys.path), set(sys.modules)
    (tmp_path / "rowfunctions.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "raises.py").write_text("import os\n\nraise ValueError('no today')\n")
    (tmp_path / "exits.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "needs.py").write_text("import not_installed_anywhere\n")
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def opening(directory: Path, function: str, outputs: tuple[tuple[str, str], ...] = TEXT) -> LoadRequest:
    return LoadRequest(
        directory=str(directory), function=function, inputs=("id", "name"), outputs=outputs, encode=text_of
    )


def answered(directory: Path, name: str, outputs: tuple[tuple[str, str], ...] = TEXT) -> dict[str, Any]:
    asked = opening(directory, f"rowfunctions:{name}", outputs)
    return answer(load(asked), asked, ROWS)


@pytest.mark.parametrize(
    ("name", "outputs", "texts"),
    [
        ("handles", TEXT, [["a", None, "ccc"]]),
        ("mappings", TWO, [["a", None, "c"], ["1", "2", "3"]]),
        ("tuples", TWO, [["a", None, "c"], ["1", "2", "3"]]),
        (
            "mappings",
            (("handle", "jsonb"),),
            [[f'{{"size": {n}, "handle": {t}}}' for n, t in ((1, '"a"'), (2, "null"), (3, '"c"'))]],
        ),
        ("greedy", TEXT, [[None, None, None]]),
    ],
)
def test_what_a_function_returns_is_a_text_for_each_row_and_column(
    directory: Path, name: str, outputs: tuple[tuple[str, str], ...], texts: list[list[str | None]]
):
    assert answered(directory, name, outputs) == {"texts": texts}


@pytest.mark.parametrize(
    ("name", "outputs", "row", "words"),
    [
        ("no_none", TEXT, 1, "raised AttributeError: 'NoneType' object has no attribute 'upper' ("),
        ("drops", TEXT, 1, "returned 0 items for 1 rows"),
        ("nothing", TEXT, 0, "returned None (NoneType); it must return a list"),
        ("generator", TEXT, 0, "(generator); it must return a list with one item for each row"),
        ("leaves", TEXT, 0, "raised SystemExit: enough ("),
        ("many_only", TEXT, None, "raised ValueError: one at a time ("),
        ("one_value", TWO, 0, "returned 'a' (str) for a row; for handle, size it must be a mapping or a tuple"),
        ("other_keys", TWO, 0, "its keys must be ['handle', 'size']"),
        ("objects", TEXT, 2, "for handle, which is not a value of type text: PostgreSQL has no such type"),
    ],
)
def test_what_is_wrong_is_reported_with_the_first_row_that_is_so_by_itself(
    directory: Path, name: str, outputs: tuple[tuple[str, str], ...], row: int | None, words: str
):
    said = answered(directory, name, outputs)
    assert said["row"] == row
    assert words in said["fault"]


def test_what_raised_is_reported_with_its_place_in_the_user_s_own_file(directory: Path):
    line = MODULE.splitlines().index('    return tuple(row["name"].upper() for row in rows)') + 1
    assert answered(directory, "no_none")["fault"].endswith(f"({directory}/rowfunctions.py:{line})")


@pytest.mark.parametrize(
    ("function", "at_function", "words"),
    [
        ("nowhere:f", False, "there is no module 'nowhere' in {directory}, the job file's directory"),
        ("nowhere.at_all:f", False, "there is no module 'nowhere' in "),
        ("broken:f", False, "module 'broken' cannot be imported: raised SyntaxError: "),
        ("raises:f", False, "raised ValueError: no today ({directory}/raises.py:3)"),
        ("exits:f", False, "module 'exits' cannot be imported: raised SystemExit: 3"),
        ("needs:f", False, "cannot be imported: raised ModuleNotFoundError: No module named 'not_installed_anywhere'"),
        ("rowfunctions:handle", True, "module 'rowfunctions' has no function 'handle'; did you mean 'handles'?"),
        ("rowfunctions:zzz", True, "module 'rowfunctions' has no function 'zzz'"),
        ("rowfunctions:NUMBER", True, "'NUMBER' of module 'rowfunctions' is not a function: 7"),
        ("rowfunctions:later", True, "'later' is asynchronous or a generator"),
        ("rowfunctions:yields", True, "'yields' is asynchronous or a generator"),
    ],
)
def test_a_function_that_cannot_be_loaded(directory: Path, function: str, at_function: bool, words: str):
    with pytest.raises(Unloadable) as caught:
        load(opening(directory, function))
    assert words.format(directory=directory) in str(caught.value)
    assert caught.value.at_function is at_function


def test_the_job_file_s_directory_comes_before_python_s_own(directory: Path):
    (directory / "antigravity.py").write_text("def f(rows):\n    return ['here'] * len(rows)\n")
    asked = opening(directory, "antigravity:f")
    assert answer(load(asked), asked, ROWS) == {"texts": [["here"] * 3]}
