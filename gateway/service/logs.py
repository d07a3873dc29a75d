"""Structured logs on stderr: JSON lines, or colours for a person at a terminal; never a credential."""

import logging
import sys
from collections.abc import Callable
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import Processor

from gateway.service.config import ConfigError
from gateway.service.masking import mask

_LEVELS = ("debug", "info", "warning", "error")


class LogsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The section of every process's configuration; what the words mean: `configure`."""

    level: str = "info"
    format: str = "auto"


def configure(
    level: str = "info",
    format: str = "auto",  # noqa: A002  the setting's name
    stream: TextIO | None = None,
) -> None:
    """Send structlog's and the standard library's records to `stream` (stderr), masked.

    `format` is json, console, or auto: JSON unless the stream is a terminal. Call once, before anything logs.
    Raises ConfigError.
    """
    stream = stream or sys.stderr
    if level not in _LEVELS:
        raise ConfigError(f"logs.level: {level!r} is none of {', '.join(_LEVELS)}")
    if format not in ("auto", "json", "console"):
        raise ConfigError(f"logs.format: {format!r} is none of auto, json, console")
    as_json = format == "json" or (format == "auto" and not stream.isatty())
    number = logging.getLevelNamesMapping()[level.upper()]
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    last: list[Processor] = [mask, _as_json if as_json else _for_a_person(stream)]
    structlog.configure(
        processors=[*common, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, _logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    # httpx logs every request at this level, address and all.
    logging.getLogger("httpx").setLevel(max(number, logging.WARNING))


def _logger_name(_logger: Any, _method: str, event: Any) -> Any:
    event["logger"] = event["_record"].name
    return event


def _as_json(_logger: Any, _method: str, event: Any) -> str:
    return msgspec.json.encode(event).decode()


def _for_a_person(stream: TextIO) -> Callable[..., str]:
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )
