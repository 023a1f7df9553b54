"""Signals ask for an orderly end: which of them, what is said, and which are left to whoever started the process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import pytest

from backfill.service.shutdown import Shutdown
from backfill.values.errors import Stopped

pytestmark = pytest.mark.anyio


@contextmanager
def handling(number: signal.Signals, handler: signal.Handlers) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)], ids=str
)
async def test_each_signal_stops_at_a_checkpoint_and_is_named(number: signal.Signals, code: int):
    announced: list[str] = []
    shutdown = Shutdown(announced.append)
    with anyio.fail_after(10), handling(number, signal.SIG_DFL):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shutdown.listen)
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), number)
            with pytest.raises(Stopped, match=f"^stopped by {number.name}; the checkpoint stands") as stopped:
                await shutdown.sleep(60)
            tasks.cancel_scope.cancel()
    assert (stopped.value.exit_code, announced) == (code, [number.name])


async def test_one_run_may_be_ended_and_the_next_begins_anew():
    shutdown = Shutdown(lambda _: None)
    with anyio.fail_after(10):
        shutdown.end_run("its file changed")
        shutdown.end_run("the first reason holds")
        with pytest.raises(Stopped, match=r"^stopped: its file changed$") as stopped:
            await shutdown.sleep(60)
    assert (stopped.value.exit_code, shutdown.signal, shutdown.exit_code) == (143, None, 0)
    shutdown.run_ended()
    await shutdown.sleep(0)
    shutdown.request(signal.SIGTERM)
    shutdown.end_run("a signal goes before it")
    shutdown.run_ended()
    with pytest.raises(Stopped, match=r"^stopped by SIGTERM"):
        await shutdown.sleep(60)


async def test_a_signal_that_the_process_was_started_without_stays_ignored():
    """As nohup does with SIGHUP: the run outlives its terminal."""
    shutdown = Shutdown(lambda _: None)
    with handling(signal.SIGHUP, signal.SIG_IGN):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shutdown.listen)
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), signal.SIGHUP)
            await shutdown.sleep(0)
            tasks.cancel_scope.cancel()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert shutdown.signal is None
