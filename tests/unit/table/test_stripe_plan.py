"""How a page's rows are shared out among stripes: against a page that is filled and pruned row by row."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.jobfile.limits import STRIPES_MAX
from backfill.table.stripe_plan import (
    POINTER_BYTES,
    RESIDUES,
    STRIPES_TRIED_MAX,
    USABLE_BYTES,
    PageProfile,
    best_plan,
    hot_share,
    later_share,
    mask,
    residues,
    unfilled_share,
)

USERS = PageProfile(rows=61, due=61, row_bytes=128, updated_bytes=168)
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=12).map(tuple)


@st.composite
def shapes(draw: st.DrawFn) -> PageProfile:
    row_bytes = draw(st.integers(24, 2000))
    rows = draw(st.integers(1, min(200, USABLE_BYTES // (row_bytes + POINTER_BYTES))))
    return PageProfile(
        rows=rows,
        due=draw(st.integers(1, rows)),
        row_bytes=row_bytes,
        updated_bytes=row_bytes + draw(st.integers(0, 500)),
    )


def updated_in_place(profile: PageProfile, stripes: tuple[int, ...]) -> int:
    """Update a page stripe by stripe, pruned before each; return the rows that found room on it."""
    due = round(profile.due)
    old, new = [profile.row_bytes] * round(profile.rows), list[float]()
    pointers, stayed = len(old), 0
    for size in stripes:
        dead = 0.0
        for _ in range(size):
            used = sum(old) + dead + sum(new) + POINTER_BYTES * pointers
            if USABLE_BYTES - used >= profile.updated_bytes + POINTER_BYTES:
                new.append(profile.updated_bytes)
                pointers, stayed = pointers + 1, stayed + 1
            dead += old.pop()
    assert stayed <= due
    return stayed


def test_a_full_page_of_rows_that_grow_makes_room_little_by_little_and_then_takes_what_fits():
    stripes = best_plan(USERS, indexes=2)
    widest = stripes.sizes.index(max(stripes.sizes))
    assert list(stripes.sizes[: widest + 1]) == sorted(stripes.sizes[: widest + 1])
    assert list(stripes.sizes[widest:]) == sorted(stripes.sizes[widest:], reverse=True)
    assert stripes.sizes[0] <= USERS.rows * 0.1
    assert stripes.hot_share > 0.7


def room_left(profile: PageProfile, stripes: tuple[int, ...]) -> float:
    """Return the share of what moved rows left on their page that is free when the last stripe is pruned."""
    due = round(profile.due)
    stayed = updated_in_place(profile, stripes)
    kept = (round(profile.rows) - due) * profile.row_bytes + stayed * profile.updated_bytes
    free = USABLE_BYTES - kept - POINTER_BYTES * (round(profile.rows) + stayed)
    return max(0.0, free) / ((due - stayed) * profile.row_bytes)


def test_what_rows_that_left_leave_behind_is_mostly_filled_by_the_stripes_after_them():
    stripes = best_plan(USERS, indexes=2).sizes
    assert unfilled_share(USERS, stripes) == pytest.approx(room_left(USERS, stripes), abs=0.03)
    assert unfilled_share(USERS, stripes) < 0.2


def test_a_plain_update_leaves_the_room_of_every_row_that_moved():
    assert unfilled_share(USERS, (61,)) > 0.9
    assert unfilled_share(PageProfile(rows=10, due=10, row_bytes=100, updated_bytes=120), (10,)) == 1.0


@given(shapes(), sizes)
def test_the_spare_room_is_a_share(profile, stripes):
    assert 0.0 <= unfilled_share(profile, stripes) <= 1.0


def test_without_indexes_all_that_has_to_move_moves_at_once():
    assert best_plan(USERS, indexes=0).sizes[0] > USERS.rows * 0.1


@given(shapes(), st.integers(0, 8))
def test_every_due_row_has_its_stripe_and_what_is_expected_comes_true(profile: PageProfile, indexes: int):
    stripes = best_plan(profile, indexes)
    assert sum(stripes.sizes) == profile.due
    assert stripes.hot_share == pytest.approx(updated_in_place(profile, stripes.sizes) / profile.due)
    assert hot_share(profile, stripes.sizes) == pytest.approx(stripes.hot_share)


@given(shapes(), st.integers(0, 8))
def test_no_other_number_of_stripes_keeps_more_rows_for_the_price(profile: PageProfile, indexes: int):
    assert best_plan(profile, indexes + 3).hot_share >= best_plan(profile, indexes).hot_share


@given(shapes(), st.integers(1, 12))
def test_a_number_that_is_asked_for_is_kept(profile: PageProfile, count: int):
    assert len(best_plan(profile, 2, count).sizes) == count


def test_equal_stripes_keep_fewer_rows():
    assert hot_share(USERS, (1,) * 8) < best_plan(USERS, 2, 8).hot_share - 0.04


def test_a_page_with_room_for_all_is_taken_at_once():
    roomy = PageProfile(rows=25, due=25, row_bytes=128, updated_bytes=168)
    assert best_plan(PageProfile(rows=10, due=10, row_bytes=128, updated_bytes=168), 2).sizes == (10,)
    assert best_plan(roomy, 2).hot_share == 1


def test_a_page_with_one_row_to_do_has_one_stripe():
    assert best_plan(PageProfile(rows=61, due=1, row_bytes=128, updated_bytes=168), 2).sizes == (1,)


@given(sizes)
def test_every_line_pointer_has_one_stripe(stripes: tuple[int, ...]):
    bits = [mask(stripes, stripe) for stripe in range(len(stripes))]
    for place in range(RESIDUES):
        assert [stripe for stripe, bit in enumerate(bits) if (bit >> place) & 1] == [residues(stripes)[place]]
    assert all(-(2**63) <= bit < 2**63 for bit in bits)


@given(sizes, st.integers(1, RESIDUES))
def test_any_first_rows_of_a_page_are_shared_out_by_the_sizes(stripes: tuple[int, ...], rows: int):
    taken = Counter(residues(stripes)[:rows])
    for stripe, size in enumerate(stripes):
        assert abs(taken[stripe] - rows * size / sum(stripes)) <= len(stripes)


def test_what_later_stripes_should_keep_is_what_fits():
    assert later_share(USERS, (61,), 0) == 1
    assert later_share(USERS, (30, 31), 1) == pytest.approx(22 / 31, abs=0.05)
    assert later_share(USERS, best_plan(USERS, 2).sizes, 1) < later_share(USERS, best_plan(USERS, 2).sizes, 4)


def test_as_many_stripes_are_tried_as_a_job_file_may_ask_for():
    assert STRIPES_TRIED_MAX == STRIPES_MAX
