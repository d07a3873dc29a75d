"""Structured logs on stderr, without credentials: JSON lines, or coloured text at a terminal."""

import logging
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal, TextIO

import msgspec
import structlog
from structlog.typing import Processor

from gateway.service.log_bound import leave_out, leave_out_record
from gateway.service.masking import mask

type Level = Literal["debug", "info", "warning", "error"]
type Format = Literal["auto", "json", "console"]


class LogsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The log that a process writes to stderr."""

    level: Annotated[
        Level,
        msgspec.Meta(description="Lowest level that is logged. Events of a lower level are left out."),
    ] = "info"
    format: Annotated[
        Format,
        msgspec.Meta(
            description="`json` writes one JSON object per line. `console` writes text for people. `auto` "
            "means `console` if stderr is a terminal, and otherwise `json`."
        ),
    ] = "auto"


def configure(
    level: Level = "info",
    format: Format = "auto",  # noqa: A002  This is the setting's name.
    stream: TextIO | None = None,
) -> None:
    """Write the records of structlog and of the standard library to `stream`, without credentials.

    The default stream is stderr. Call this once, before anything logs.
    """
    stream = stream or sys.stderr
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
        processors=[leave_out, *common, *last],
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
    handler.addFilter(leave_out_record)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    # At INFO, httpx logs every request with its URL.
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
