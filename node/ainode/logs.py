"""Logs: one JSON object per line on standard output, or coloured text on a terminal."""

import logging
import sys
from typing import Any

import structlog

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_QUIET = ("pynetdicom", "pydicom", "highdicom", "httpx", "httpcore", "alembic", "uvicorn", "dbos", "asyncio")
"""Libraries whose chatter may quote data sets or URLs with identifiers: only their warnings are kept."""


def configure_logs(*, level: str, form: str) -> None:
    """Send structlog and the standard library's logging to standard output as ``json`` or ``console``."""
    use_json = form == "json" or (form == "auto" and not sys.stdout.isatty())
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if use_json else structlog.dev.ConsoleRenderer()
    )
    traceback: list[structlog.typing.Processor] = [structlog.processors.format_exc_info] if use_json else []
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *traceback, last],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root: Any = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
