"""Which replicas are missing: by name if they have one, else by number, and then an address tells which."""

from __future__ import annotations

from backfill.throttle.conditions.seen_replicas import SeenReplica, after_reading
from backfill.throttle.signals import Replica

NOW, LATER = "2026-11-29 10:02 UTC", "2026-11-29 11:00 UTC"


def standby(name: str, address: str, application_name: str = "") -> Replica:
    return Replica(
        name=name, state="streaming", replay_lsn=1, application_name=application_name or name, address=address
    )


def read(seen, *present: Replica, now: str = LATER):
    return after_reading(seen, present, {replica.name for replica in present}, now)


A, B = standby("replica-a", "10.0.0.1"), standby("replica-b", "10.0.0.2")
TCP = standby("walreceiver", "10.0.0.1", "walreceiver")
LOCAL = standby("walreceiver@local", "local", "walreceiver")
LOCAL_ALONE = standby("walreceiver", "local", "walreceiver")
BY_TCP_TOO = standby("walreceiver@10.0.0.1#2", "10.0.0.1", "walreceiver")


def test_what_is_seen_keeps_when_and_where():
    seen, missing = read((), A, now=NOW)
    assert (seen, missing) == (
        (SeenReplica(name="replica-a", application_name="replica-a", address="10.0.0.1", since=NOW),),
        (),
    )
    assert seen[0].origin == "seen by this job since 2026-11-29 10:02 UTC at 10.0.0.1"
    assert read(seen, A) == (seen, ())


def test_a_name_that_is_gone_is_missing_until_it_is_back():
    seen, _ = read((), A, B, now=NOW)
    seen, missing = read(seen, A)
    assert [replica.name for replica in missing] == ["replica-b"]
    assert [replica.name for replica in read(seen, A)[1]] == ["replica-b"]
    assert read(seen, A, B)[1] == ()


def test_a_name_that_comes_back_at_another_address_is_not_missing():
    seen, _ = read((), A, now=NOW)
    moved, missing = read(seen, standby("replica-a", "10.0.0.9"))
    assert (missing, moved[0].address, moved[0].since) == ((), "10.0.0.9", LATER)


def test_of_two_without_a_name_the_one_that_is_gone_is_named_by_its_address():
    seen, _ = read((), TCP, LOCAL, now=NOW)
    after, missing = read(seen, LOCAL_ALONE)
    assert [replica.name for replica in missing] == ["walreceiver@10.0.0.1"]
    assert len(after) == 2
    _, missing = read(seen, TCP)
    assert [replica.name for replica in missing] == ["walreceiver@local"]


def test_one_without_a_name_may_come_back_at_another_address():
    seen, _ = read((), TCP, LOCAL, now=NOW)
    seen, _ = read(seen, TCP)
    seen, missing = read(seen, TCP, BY_TCP_TOO)
    assert missing == ()
    assert len(seen) == 2
    assert [replica.name for replica in read(seen, TCP)[1]] == ["walreceiver@10.0.0.1#2"]


def test_one_that_does_not_count_is_never_missed():
    seen, _ = after_reading((), (A, B), {"replica-a"}, NOW)
    assert [replica.name for replica in seen] == ["replica-a"]
    assert read(seen, A)[1] == ()


def test_one_that_an_earlier_version_saw_is_known_by_its_name():
    before = (SeenReplica(name="replica-a", application_name="replica-a"),)
    assert read(before, A)[1] == ()
    assert read(before)[1] == before
    assert before[0].origin == "seen by this job"
