"""The archiver stops the job when its backlog is too large, or while it fails with WAL pending."""

from backfill.throttle.wait_reason import WaitKind
from tests.factories import MB, archiver, signals
from tests.unit.throttle.conditions.found import conditions_in, reasons


def test_an_archiver_that_is_behind_stops_the_job_and_says_whether_it_fails():
    assert reasons(conditions_in(signals(archiver=archiver(2 << 30)))) == ["archiver backlog 2GB > 1GB"]
    failing = conditions_in(signals(archiver=archiver(2 << 30, failing=True)))
    assert reasons(failing) == ["archiver backlog 2GB > 1GB (last attempt failed)"]
    assert conditions_in(signals(archiver=archiver(0, failing=True))) == ()


def test_an_archiver_whose_last_attempt_failed_stops_the_job_while_wal_is_pending():
    assert conditions_in(signals(archiver=archiver(0, failing=True))) == ()
    found = conditions_in(signals(archiver=archiver(16 * MB, failing=True)))
    assert reasons(found) == ["archiver failing: last attempt failed, 16MB of WAL pending"]
    assert found[0].reason.kind is WaitKind.ARCHIVE
