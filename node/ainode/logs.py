"""Logs: one JSON object per line on standard output, or coloured text on a terminal."""

import logging
import sys
import traceback
from typing import Any

import hl7.containers
import hl7.util
import structlog

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_QUIET = ("pynetdicom", "pydicom", "highdicom", "httpx", "httpcore", "alembic", "uvicorn", "dbos", "asyncio")
"""Libraries whose chatter may quote data sets or URLs with identifiers: only their warnings are kept."""
_MUTE = (hl7.util.__file__, hl7.containers.__file__)
"""Loggers that quote fields of messages, of patients, too; python-hl7 names them so."""


def configure_logs(*, level: str, form: str) -> None:
    """Send structlog and the standard library's logging to standard output as ``json`` or ``console``."""
    use_json = form == "json" or (form == "auto" and not sys.stdout.isatty())
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if use_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _frames, last],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root: Any = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _MUTE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _frames(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """An exception as its type and where it arose: its text may quote a data set or a row."""
    error = _error(event.pop("exc_info", None))
    if error is not None:
        event["exception"] = type(error).__name__
        event["frames"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event


def _error(info: Any) -> BaseException | None:
    """The exception that ``exc_info`` means, in any of the forms that logging takes."""
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return _error(info[1])
    return sys.exc_info()[1] if info else None
