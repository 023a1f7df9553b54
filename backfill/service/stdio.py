"""Standard streams that are closed from the start, or break while the process works."""

from __future__ import annotations

import errno
import io
import os
import sys

OUTPUT_LOST = frozenset({errno.EPIPE, errno.EIO, errno.ENOSPC, errno.EDQUOT})
"""Errors of a write to a stream whose reader is gone or whose disk is full."""


def open_closed_streams() -> None:
    """Reopen closed standard streams, so that a socket never gets fd 0, 1 or 2, and accept any text in any locale."""
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
    """Redirect broken output streams to /dev/null, so that later writes do not fail again."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
