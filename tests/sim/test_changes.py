"""What changes during a run: links, checkpoints, the WAL of others; the throttle follows within seconds."""

from __future__ import annotations

import pytest

from backfill.throttle.decide import PATIENCE_S
from backfill.throttle.wait_reason import WaitKind
from tests.sim.path import MB
from tests.sim.paths import QUICK, WARM_S, link, under
from tests.sim.plant import Work


@pytest.mark.parametrize("work", [QUICK, Work(row_s=28e-6)], ids=["quick", "busy"])
def test_a_link_that_narrows_six_times_is_followed(work: Work):
    path = link(24, (10.0, 4))
    run = under(path, max_lag="10s", work=work).run(10.0)
    run.run(14.0)
    assert path.worst_lag_s < 3.5
    path.worst_lag_s = 0.0
    assert run.use(path, 25.0) >= 0.95
    assert path.worst_lag_s < 1.0


def test_a_link_that_narrows_and_widens_is_followed_within_two_seconds():
    path = link(4, (10.0, 1), (20.0, 4))
    run = under(path, max_lag="2s").run(WARM_S)
    assert run.use(path, 35.0) >= 0.97
    assert path.worst_lag_s < 2.0


def test_a_checkpoints_jump_in_wal_is_survived():
    path = link(4)
    work = Work(checkpoints=((8.0, 11.0), (15.0, 18.0)), checkpoint_factor=5.0)
    run = under(path, max_lag="1s", work=work).run(WARM_S)
    assert run.use(path, 25.0) >= 0.95
    assert path.worst_lag_s < 1.0


def test_first_stripes_that_pay_full_page_images_are_foreseen():
    path = link(4)
    under(path, max_lag="2s", work=Work(first_stripe=5.0)).run(25.0)
    assert path.worst_lag_s < 1.0


def test_others_wal_takes_its_share_first():
    path = link(4)
    run = under(path, work=Work(foreign=((0.0, 3.0 * MB),))).run(WARM_S)
    assert run.use(path, 20.0) >= 0.95
    assert path.worst_lag_s < 1.0


def test_others_that_fill_the_link_alone_leave_us_little_but_not_nothing():
    path = link(4)
    run = under(path, max_lag="60s", work=Work(foreign=((0.0, 0.0), (5.0, 4.2 * MB)))).run(5.0)
    before = len(run.plant.batches)
    run.run(45.0)
    during = run.plant.batches[before:]
    assert 10 <= len(during) <= 40 / PATIENCE_S + 15
    assert run.longest_pause_s < 2 * PATIENCE_S


def test_an_idle_hour_is_followed_by_no_burst():
    path = link(4)
    run = under(path, max_lag="2s").run(10.0)
    run.plant.pass_time(3600.0)
    run.run(run.plant.now_s + 10.0)
    assert path.worst_lag_s < 1.0
    assert {one.reason.kind for one in run.waits} == {WaitKind.WINDOW}
