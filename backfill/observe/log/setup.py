"""The logger of this process: JSON lines for machines, columns for a person, neither with a password.

Other libraries' warnings go the same way, so that a reader of the log meets one format.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog import processors
from structlog.typing import FilteringBoundLogger, Processor

from backfill.values.redact import redact


def configure(stream: TextIO, *, level: str = "info", console: bool | None = None) -> FilteringBoundLogger:
    """Send every log line of this process to the stream and return the logger that writes them.

    Args:
        stream: Where lines go, as a rule stderr.
        level: The least level that is written.
        console: Columns for a person instead of JSON; None asks the stream whether it is a terminal.
    """
    person = stream.isatty() if console is None else console
    shared: list[Processor] = [
        processors.add_log_level,
        processors.TimeStamper(fmt="iso", utc=True),
        processors.format_exc_info,
        _redacted,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            sort_keys=False,
            pad_event_to=16,
            exception_formatter=structlog.dev.plain_traceback,
        )
        if person
        else processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    log: FilteringBoundLogger = structlog.get_logger()
    return log


def _redacted(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    first = {name: fields.pop(name) for name in ("timestamp", "level", "event") if name in fields}
    return {name: _clean(value) for name, value in (first | dict(fields)).items()}


def _clean(value: Any) -> Any:
    match value:
        case str():
            return redact(value)
        case dict():
            return {name: _clean(item) for name, item in value.items()}
        case list() | tuple():
            return [_clean(item) for item in value]
        case BaseException():
            return redact(str(value))
        case _:
            return value
