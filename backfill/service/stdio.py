"""The standard streams as a worker may find them: closed from the start, or gone while it works."""

from __future__ import annotations

import errno
import io
import os
import sys

OUTPUT_LOST = frozenset({errno.EPIPE, errno.EIO, errno.ENOSPC, errno.EDQUOT})
"""What a write to a stream raises whose reader has ended, or whose disk is full."""


def open_closed_streams() -> None:
    """Open what is closed, lest a socket become file 1, and let any text be written whatever the locale."""
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(file)
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def mute_broken_streams() -> None:
    """Lead streams that cannot be written any more nowhere, so that nothing fails at them a second time."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
