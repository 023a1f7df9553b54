"""The process that a row function runs in: it answers requests, one after another.

It ends when our side is gone. What the function prints is discarded; Python's report of a crash goes to stderr. Signals
to the process group are handled by our side.
"""

from __future__ import annotations

import faulthandler
import json
import os
import pickle
import queue
import signal
import sys
import threading
from contextlib import suppress
from typing import Any, BinaryIO

from backfill.rowfunction.call import answer, load
from backfill.rowfunction.protocol import HEADER, LoadRequest, Rows, Unloadable, framed


def main() -> None:
    """Answer requests until our side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    requests, answers = _pipes()
    request: LoadRequest = pickle.loads(requests.get())  # noqa: S301 - our own side wrote it
    try:
        function = load(request)
    except Unloadable as error:
        _send(answers, {"unloadable": str(error), "at_function": error.at_function})
        return
    _send(answers, {"ready": True})
    while True:
        asked: Rows = pickle.loads(requests.get())  # noqa: S301 - as above
        _send(answers, answer(function, request, asked.rows))


def _pipes() -> tuple[queue.SimpleQueue[bytes], BinaryIO]:
    """Take stdin and stdout for ourselves, so that a function that reads or prints does no harm."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.set_blocking(2, False)  # nobody reads it before the end: what does not fit is lost, and nobody waits
    faulthandler.enable(os.fdopen(os.dup(2), "wb"))
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for as long as we live
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests, asked), daemon=True).start()
    return asked, answers


def _read(requests: BinaryIO, asked: queue.SimpleQueue[bytes]) -> None:
    """Pass requests on; end at once when our side is gone, whatever the function does then."""
    with suppress(OSError):
        while len(header := requests.read(HEADER.size)) == HEADER.size:
            (length,) = HEADER.unpack(header)
            asked.put(requests.read(length))
    os._exit(0)


def _send(answers: BinaryIO, message: dict[str, Any]) -> None:
    answers.write(framed(json.dumps(message).encode()))
    answers.flush()


if __name__ == "__main__":
    main()
