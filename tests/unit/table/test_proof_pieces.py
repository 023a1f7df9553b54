"""Pieces of the proof are as large as their time allows, whether pages cost it or what each piece begins with."""

from __future__ import annotations

import pytest

from backfill.table.proof_pieces import PAGES_FIRST, TARGET_S, PieceTime, fewer_pages, next_pages

TIMEOUT_S = 15.0


def settle(*, page_s: float, fixed_s: float = 0.0, pieces: int = 40) -> PieceTime:
    """Return the last piece of many on a table whose pages cost the same everywhere."""
    before, last = None, PieceTime(PAGES_FIRST, fixed_s + page_s * PAGES_FIRST)
    for _ in range(pieces):
        pages = next_pages(before, last, TIMEOUT_S)
        before, last = last, PieceTime(pages, fixed_s + page_s * pages)
    return last


@pytest.mark.parametrize("page_s", [1e-6, 1e-5, 1e-4, 1e-3, 0.1])
def test_a_piece_comes_to_take_half_a_second(page_s: float):
    assert settle(page_s=page_s).took_s == pytest.approx(TARGET_S, rel=0.3)


@pytest.mark.parametrize("fixed_s", [0.4, 1.0, 3.0])
def test_what_each_piece_begins_with_is_at_most_half_of_its_time(fixed_s: float):
    assert settle(page_s=1e-4, fixed_s=fixed_s).took_s == pytest.approx(2 * fixed_s, rel=0.3)


def test_a_piece_stays_far_from_the_statement_timeout():
    assert settle(page_s=1e-4, fixed_s=6.0).took_s < TIMEOUT_S * 0.6


def test_a_step_is_at_most_twice_or_half():
    assert next_pages(None, PieceTime(1000, 1e-6), TIMEOUT_S) == 2000
    assert next_pages(None, PieceTime(1000, 100.0), TIMEOUT_S) == 500
    assert next_pages(None, PieceTime(1, 100.0), TIMEOUT_S) == 1


def test_equal_pieces_and_pieces_without_a_time_are_no_reason_to_fail():
    assert next_pages(PieceTime(1000, 0.4), PieceTime(1000, 0.5), TIMEOUT_S) == 1000
    assert next_pages(PieceTime(1000, 0.4), PieceTime(2000, 0.0), TIMEOUT_S) == 4000
    assert next_pages(None, PieceTime(1000, 0.0), TIMEOUT_S) == 2000


def test_after_a_timeout_pieces_are_smaller_down_to_one_page():
    assert [fewer_pages(pages) for pages in (1000, 4, 3, 2, 1)] == [250, 1, 1, 1, None]
