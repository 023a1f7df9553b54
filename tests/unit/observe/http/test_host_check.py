"""A request may name us by an address or a name that no stranger can register, and by no other."""

from __future__ import annotations

import pytest

from backfill.observe.http.host_check import is_trusted

OWN = frozenset({"worker-7f.example.com"})


@pytest.mark.parametrize(
    "host",
    [
        None,
        "127.0.0.1",
        "127.0.0.1:9464",
        "10.1.2.3:9464",
        "[::1]",
        "[fe80::1]:9464",
        "[::ffff:10.1.2.3]:9464",
        "localhost",
        "LOCALHOST:9464",
        "localhost.:9464",
        "backfill",
        "backfill:9464",
        "backfill.jobs.svc",
        "backfill.jobs.svc.cluster.local:9464",
        "db.internal",
        "Worker-7F.example.com:9464",
    ],
)
def test_addresses_private_names_and_our_own_are_trusted(host):
    assert is_trusted(host, OWN)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":9464",
        "evil.example",
        "evil.example:9464",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.svc.example",
        "worker-7f.example.com.evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1, evil.example",
        "evil.example/..",
        "1.2.3",
        "0x7f.0.0.1",
        "localhost:port",
        "[::1",
    ],
)
def test_a_name_that_a_stranger_can_own_is_not(host):
    assert not is_trusted(host, OWN)
