"""A job file becomes a job that knows the position of each value, and a hash of what it asks for."""

from __future__ import annotations

import pickle
import textwrap

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from yaml.nodes import MappingNode

from backfill.jobfile.load import JobFile, load
from backfill.jobfile.row_sources import Assignment, Using
from backfill.jobfile.source.location import line_column, source_index
from backfill.values.identifier import TableName

HEAD = "name: a\ntable: t\n"


def read(text: str) -> JobFile:
    return load(textwrap.dedent(text), "job.yaml")


def body(text: str) -> JobFile:
    return load(HEAD + textwrap.dedent(text).lstrip("\n"), "job.yaml")


def test_the_whole_contract_that_this_version_knows():
    job = read(
        """\
        # yaml-language-server: $schema=./job.schema.json
        name: users-handle
        table: public.users
        set:
          handle: username              # column: any SQL expression over the row
        where: handle IS NULL           # rows to fill; must be false once set
        using: {table: shop.accounts, as: A, on: a.id = users.id}
        batch: {rows: 4000, min_rows: 500, max_rows: 8000, target_time: 100ms, stripes: 4}
        throttle:
          max_lag: 2s
          max_lag_bytes: 64MB
          max_wal_rate: 16MB/s
          replicas: {require: [replica-a], ignore: ["dr-*"], min: 1}
          max_slot_retained: 5GB
          max_archive_backlog: 512MB
          max_active_sessions: {app: 40, "2": 0}
        lock_timeout: 500ms
        statement_timeout: 10s
        lanes: 1
        vacuum: off
        sync: none
        on_row_error: skip
        max_rejected: 50
        synchronous_commit: on
        """
    ).job
    assert job.name == "users-handle"
    assert job.table == TableName("public", "users")
    assert job.assignments == (Assignment(column="handle", expression="username"),)
    assert job.where == "handle IS NULL"
    assert job.using == Using(table=TableName("shop", "accounts"), alias="a", on="a.id = users.id")
    assert job.using.name == "a"
    assert job.batch.model_dump() == {
        "rows": 4000,
        "min_rows": 500,
        "max_rows": 8000,
        "target_time_s": 0.1,
        "stripes": 4,
    }
    assert job.throttle.model_dump() == {
        "max_lag_s": 2.0,
        "max_lag_bytes": 64 * 1024**2,
        "max_wal_rate_bytes_s": 16 * 1024**2,
        "replicas": {"require": ("replica-a",), "ignore": ("dr-*",), "min_count": 1, "direct": ()},
        "max_slot_retained_bytes": 5 * 1024**3,
        "max_archive_backlog_bytes": 512 * 1024**2,
        "max_slot_lag_bytes": 1024**3,
        "max_blocked_sessions": 0,
        "max_active_sessions": {"app": 40, "2": 0},
        "probes": (),
    }
    assert (job.lock_timeout_s, job.statement_timeout_s, job.synchronous_commit) == (0.5, 10.0, "on")


@pytest.mark.parametrize("written", ["off", "on", "'off'", '"on"', "local", "remote_write", "remote_apply"])
def test_words_that_yaml_takes_for_truth_values(written: str):
    text = f"set: {{x: y}}\nwhere: z\nsynchronous_commit: {written}\n"
    assert body(text).job.synchronous_commit == written.strip("'\"")


@pytest.mark.parametrize(
    ("written", "expression"),
    [
        ("true", "true"),
        ("0", "0"),
        ("1_000", "1_000"),
        ("NULL", "NULL"),
        ("null", "null"),
        ("2024-01-01", "2024-01-01"),
        ("off", "off"),
        ("'''a'' || b'", "'a' || b"),
        ('"\\"A\\" + 1"', '"A" + 1'),
        ("a::text", "a::text"),
        ("a -- why", "a -- why\n"),
        ("|\n    a\n      + b   -- why\n", "a\n  + b   -- why\n"),
        (">\n    a\n    + b\n", "a + b"),
        ("a\n    + b", "a + b"),
        ("a  # why", "a"),
        ("a#>b", "a#>b"),
    ],
)
def test_an_expression_is_the_text_that_was_written(written: str, expression: str):
    assert body(f"set:\n  x: {written}\nwhere: z\n").job.assignments[0].expression == expression
    if "\n" not in written:
        assert body(f"set: {{x: y}}\nwhere: {written}\n").job.where == expression


@pytest.mark.parametrize(
    ("key", "column"),
    [("handle", "handle"), ("Handle", "handle"), ("'\"Handle\"'", "Handle"), ("on", "on"), ('"A"', "a")],
)
def test_a_key_of_set_is_a_name_as_in_sql(key: str, column: str):
    file = body(f"set:\n  {key}: x\nwhere: z\n")
    assert [one.column for one in file.job.assignments] == [column]
    assert file.at("set", column) == f"job.yaml:4:{len(key) + 5}"
    assert file.at("set", column, "column").startswith("job.yaml:4:")


def test_the_byte_order_mark_of_an_editor_is_not_a_column():
    file = load("\ufeffname: a\ntable: t\nset: {x: y}\nwhere: z\n", "job.yaml")
    assert file.at("name") == "job.yaml:1:7"


def place(file: JobFile, *path: str | int, of: str) -> str:
    value = file.job.where if path == ("where",) else file.job.assignments[0].expression
    return file.at(*path, offset=value.index(of)).removeprefix("job.yaml:")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("a + nope", "4:10"),
        ("'a + nope'", "4:11"),
        ("'''a'' + nope'", "4:15"),
        ('"a + nope"', "4:11"),
        ('"\\"a\\" + \\x6eope"', "4:15"),
        ('"a +\\\n    \\ nope"', "5:7"),
        ("a +\n    nope", "5:5"),
        ("'a +\n\n    nope'", "6:5"),
        ("|\n    a +\n\n      b + nope", "7:11"),
        ("|2-  # why\n    a +\n      nope", "6:7"),
        (">-\n    a +\n    nope", "6:5"),
        (">\n\n    a +\n     more\n    nope", "8:5"),
    ],
)
def test_a_character_of_an_expression_has_its_place(written: str, expected: str):
    text = f"set:\n  x: {written}\nwhere: z\n"
    assert place(body(text), "set", "x", of="nope") == expected


def test_every_value_has_a_place_and_what_is_not_there_has_the_nearest():
    file = read(
        """\
        # first line
        name: a
        table: t
        set: {x: y}
        where: z
        throttle:
          replicas:
            require: [a, "b"]
        """
    )
    places = {
        ("name",): "2:7",
        ("set",): "4:6",
        ("set", "x"): "4:10",
        ("set", "x", "column"): "4:7",
        ("throttle", "replicas", "require", 0): "8:15",
        ("throttle", "replicas", "require", 1): "8:19",
        ("throttle", "replicas", "require", 2): "8:14",
        ("throttle", "max_lag"): "7:3",
        ("lock_timeout",): "2:1",
        ("set", "y"): "4:6",
        (): "2:1",
    }
    assert {path: file.at(*path).removeprefix("job.yaml:") for path in places} == places
    assert file.at("where", offset=99) == "job.yaml:5:9"
    assert file.at("where", offset=-1) == "job.yaml:5:8"


WORDS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=8),
    min_size=1,
    max_size=12,
)


@given(
    WORDS,
    st.sampled_from([" ", "\n", "  ", "\n  ", "\n\n"]),
    st.sampled_from([None, "'", '"', "|", ">"]),
    st.integers(8, 40),
)
def test_any_visible_character_of_any_scalar_has_its_exact_place(words: list[str], blank: str, style: str, width: int):
    text = yaml.dump({"key": {"where": blank.join(words)}}, default_style=style, width=width, allow_unicode=True)
    root = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(root, MappingNode)
    node = root.value[0][1].value[0][1]
    for offset, character in enumerate(node.value):
        index = source_index(text, node, offset)
        assert 0 <= index <= len(text)
        if character not in " \n":
            assert text[index] in {character, "\\"}


@given(st.text(st.sampled_from("ab\r\n")), st.data())
def test_lines_and_columns_are_those_of_python(text: str, data: st.DataObject):
    index = data.draw(st.integers(0, len(text)))
    before = (text[:index] + "|").splitlines()
    if text[index - 1 : index + 1] != "\r\n":
        assert line_column(text, index) == f"{len(before)}:{len(before[-1])}"


SPEC = """\
name: a
table: t
set: {x: y, z: w}
where: x IS NULL
throttle: {max_lag: 90s, replicas: {require: [a, b]}}
"""


def test_the_hash_is_of_what_is_asked_for():
    same = """\
        # a comment
        where: "x IS NULL"
        throttle:
          replicas: {require: [b, a]}
          max_lag: 1m30s
        set:
          Z: w   # folds
          x: |
            y   -- why
        table: public.t
        name: 'a'
        batch: {}
        """
    assert read(same).spec_hash == read(SPEC).spec_hash
    assert len(read(SPEC).spec_hash) == 64


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: a", "name: b"),
        ("table: t", "table: u"),
        ("x: y", "x: v"),
        ("z: w", "zz: w"),
        ("IS NULL", "IS NOT NULL"),
        ("90s", "91s"),
        ("[a, b]", "[a]"),
        ("throttle", "lock_timeout: 500ms\nthrottle"),
        ("throttle", "batch: {rows: 5000}\nthrottle"),
        ("throttle", "using: {table: u, on: x = v}\nthrottle"),
    ],
)
def test_the_hash_changes_with_it(old: str, new: str):
    assert read(SPEC.replace(old, new)).spec_hash != read(SPEC).spec_hash


def test_the_hash_changes_with_what_is_joined_and_not_with_its_layout():
    joined = SPEC + "using: {table: u, on: a = b}\n"
    same = SPEC + "using:\n  on: a   =  b -- why\n  table: public.u\n"
    others = [joined.replace("a = b", "a = c"), joined.replace("u,", "u, as: v,"), joined.replace("u,", "w,")]
    assert read(same).spec_hash == read(joined).spec_hash
    assert len({read(one).spec_hash for one in (SPEC, joined, *others)}) == 5


def test_the_hash_changes_with_the_row_function_and_not_with_the_order_of_its_inputs():
    mapped = SPEC.replace("x: y", "x: python") + "python: {function: a:b, inputs: [c, d]}\n"
    same = mapped.replace("c, d", "d, c")
    others = [mapped.replace("a:b", "a:c"), mapped.replace("c, d", "c"), mapped.replace("x: python", "x: python, w: v")]
    assert read(same).spec_hash == read(mapped).spec_hash
    assert len({read(one).spec_hash for one in (SPEC, mapped, *others)}) == 5


def test_the_hash_is_the_same_in_every_version():
    # The hash stands in the databases of running jobs: a change here stops each of them.
    assert read(SPEC).spec_hash == "8227f06d0875b1086e3993f720898fe70cde0c205802de0b278fe6032e632c15"


def test_a_job_file_is_a_value():
    assert read(SPEC) == read(SPEC)
    assert read(SPEC) != load(SPEC, "other.yaml")
    assert "root" not in repr(read(SPEC))
    assert pickle.loads(pickle.dumps(read(SPEC))).at("where") == "job.yaml:4:8"
