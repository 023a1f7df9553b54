"""Passes go on while they get somewhere by themselves, and end with a reason where others keep them busy."""

from __future__ import annotations

from backfill.table.batch import Verification
from backfill.table.pass_progress import PASSES_MAX, PassProgress, Verdict, counted


def left(rows: int, unconverged: int = 0) -> Verification:
    return Verification(rows_left=rows, rows_unconverged=unconverged, samples=(), took_s=0.1)


def verdicts(passes: list[tuple[int, int]], *, reads_own_rows: bool = False) -> list[Verdict]:
    """Return what follows each pass, given as rows updated and rows left."""
    progress, found = PassProgress(reads_own_rows=reads_own_rows), []
    for rows, remaining in passes:
        progress, verdict = progress.after(rows, left(remaining))
        found.append(verdict)
    return found


def test_a_pass_behind_which_nothing_is_left_is_the_last():
    assert verdicts([(10, 0)]) == [Verdict.DONE]


def test_rows_that_cannot_converge_are_nothing_that_another_pass_would_fill():
    assert PassProgress().after(10, left(4, 4))[1] is Verdict.DONE


def test_rows_that_two_passes_meet_and_do_not_update_are_unreached():
    assert verdicts([(10, 3), (0, 3), (0, 3)])[-2:] == [Verdict.GO_ON, Verdict.UNREACHED]
    assert verdicts([(10, 3), (0, 3), (0, 2)])[-1] is Verdict.GO_ON


def test_others_who_keep_writing_rows_that_match_are_given_up_on():
    found = verdicts([(5, 5)] * PASSES_MAX)
    assert found[:-1] == [Verdict.GO_ON] * (PASSES_MAX - 1)
    assert found[-1] is Verdict.GIVE_UP


def test_passes_that_leave_fewer_rows_each_time_go_on_however_many_they_are():
    found = verdicts([(1, rows) for rows in range(4 * PASSES_MAX, -1, -1)])
    assert found == [Verdict.GO_ON] * 4 * PASSES_MAX + [Verdict.DONE]


def test_a_job_that_reads_its_own_rows_goes_on_while_it_fills_rows():
    assert set(verdicts([(5, 5)] * 4 * PASSES_MAX, reads_own_rows=True)) == {Verdict.GO_ON}
    assert verdicts([(5, 5), (0, 5), (0, 5)], reads_own_rows=True)[-1] is Verdict.UNREACHED


def test_unreached_rows_are_counted_among_those_that_cannot_converge():
    found = counted(left(7, 3), Verdict.UNREACHED)
    assert (found.rows_unconverged, found.rows_unreached, found.rows_untold, found.rows_fillable) == (7, 4, 0, 0)


def test_no_pass_follows_that_might_update_a_row_a_second_time():
    assert PassProgress().after(10, left(7, 3), forgetful=True)[1] is Verdict.UNTOLD
    assert PassProgress().after(10, left(3, 3), forgetful=True)[1] is Verdict.DONE
    assert counted(left(7, 3), Verdict.UNTOLD).rows_untold == 4
