"""Logs: one line an event on stderr, JSON or for the console, with secrets taken out, whoever wrote them.

An event's name is a constant in the past tense, facts are fields: `log.info("feed_submitted", feed_id=..., changes=412)`.
Context is bound once a step: `with bound(connection=name): ...`. Lines of libraries pass through the same redaction.
"""

import logging
import re
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Final, TextIO

import orjson
import structlog
from structlog.contextvars import bound_contextvars as bound
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from worker.errors import AmazonError, FeedlineError

__all__ = ["CONSOLE", "JSON", "bound", "configure", "get_logger", "redacted"]

JSON: Final = "json"
CONSOLE: Final = "console"

STACK_FRAMES: Final = 15
"""Innermost frames of an exception that are logged."""

_LEAST_LEVELS: Final = {
    "spapi": logging.WARNING,  # bodies at DEBUG
    "urllib3": logging.WARNING,  # URLs at DEBUG; a presigned one is a credential
    "alembic": logging.WARNING,
    "pika": logging.CRITICAL,  # every fault comes as an exception as well, and whoever catches it says so once
}

get_logger = structlog.stdlib.get_logger


def configure(log_format: str, level: str, *, stream: TextIO | None = None) -> None:
    """Set up logging for this process: *log_format* is `json` or `console`, *level* a name. Call it first in every process.

    Calling it again replaces what was set up before. *stream* is stderr unless given.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_SHARED, processors=_rendering(log_format)))
    handler.addFilter(_without_arguments)
    handler.addFilter(_is_told_by_nobody_else)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in _LEAST_LEVELS.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    threading.excepthook = _thread_died


def _rendering(log_format: str) -> list[Processor]:
    clean: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if log_format == CONSOLE:
        return [*clean, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
    return [*clean, _as_json]


def _as_json(_logger: WrappedLogger, _method: str, facts: EventDict) -> str:
    ordered = {**{key: facts.pop(key, None) for key in ("timestamp", "level", "event")}, **facts}
    return orjson.dumps(ordered, default=_named, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z).decode()


def _named(value: object) -> str:
    """An object in a log is a mistake; its `repr` may hold anything, so only its kind is told."""
    return f"<{type(value).__name__}>"


_SECRET_KEY: Final = re.compile(
    r"token|secret|password|passwd|authorization|cookie|credential|signature|api_?key|private_?key|^dsn$", re.IGNORECASE
)
_SECRET_TEXT: Final = (
    (re.compile(r"(?<=://)[^\s/@'\"]*:[^\s/@'\"]*@"), "***@"),  # user:password@ of a URL
    (re.compile(r"(\bhttps?://[^\s?'\"]+)\?[^\s'\")]+"), r"\1?***"),  # a presigned URL is a credential
    (re.compile(r"/[^\s?'\"]*\?[^\s'\"]*X-Amz-[^\s'\")]+"), "/***"),  # and so is its path, as urllib3 writes it
    (re.compile(r"\bAtz[ar]\|[\w\-+/=|.]+"), "***"),  # Login with Amazon's access and refresh tokens
    (re.compile(r"\b(password|passwd|secret|token)=[^\s&'\"]+", re.IGNORECASE), r"\1=***"),
)


def redacted(value: object, key: str = "") -> object:
    """Return *value* without secrets: texts below a telling key go whole, URLs lose their userinfo and query."""
    if isinstance(value, (bool, int, float)) or value is None:
        return value  # `quota_tokens=3` counts something
    if key and _SECRET_KEY.search(key):
        return "***"
    match value:
        case str():
            for pattern, shown in _SECRET_TEXT:
                value = pattern.sub(shown, value)
            return value
        case bytes():
            return f"<{len(value)} bytes>"
        case Mapping():
            return {name: redacted(inner, str(name)) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [redacted(inner) for inner in value]
    return value


def _redact(_logger: WrappedLogger, _method: str, facts: EventDict) -> EventDict:
    return {key: value if key.startswith("_") else redacted(value, key) for key, value in facts.items()}


def _explain_exception(_logger: WrappedLogger, _method: str, facts: EventDict) -> EventDict:
    """Replace `exc_info` by the exception's kind, what is safe of its text, and where it was raised."""
    given: ExcInfo | BaseException | bool | None = facts.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given else None
    if error is not None:
        facts["error"] = type(error).__qualname__
        said = _safe_text(error)
        if said:
            facts["error_text"] = said
        facts["raised_in"] = _frames(error.__traceback__)
        cause = error.__cause__ or error.__context__
        if cause is not None:
            facts["error_cause"] = type(cause).__qualname__
    return facts


def _safe_text(error: BaseException) -> str | None:
    """Return what may be logged of an exception's text.

    Ours are written to be read. Postgres' DETAIL and most ValueErrors repeat the data that they complain of, so of these only
    the kind is told; the stack leads to the rest.
    """
    if isinstance(error, (FeedlineError, AmazonError, TypeError, AttributeError, ImportError, RuntimeError, AssertionError)):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror
    if getattr(error, "orig", None) is not None:
        from worker.database import described

        return described(error)  # type: ignore[arg-type]  # only SQLAlchemy's DBAPIError has `orig`
    if type(error).__module__.startswith("pika."):
        return str(error) or None
    return None


def _frames(traceback: TracebackType | None) -> list[str]:
    frames: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_qualname}")
        traceback = traceback.tb_next
    return frames[-STACK_FRAMES:]


_SHARED: Final[list[Processor]] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _explain_exception,
    _redact,
]


def _without_arguments(record: logging.LogRecord) -> bool:
    """Shorten a Dramatiq message to its actor and identifier: its arguments are an upstream's data."""
    if isinstance(record.args, tuple):
        record.args = tuple(_shortened(word) for word in record.args)
    return True


_OF_A_CONSUMER: Final = ("Consumer encountered a connection error", "Restarting consumer in")


def _is_told_by_nobody_else(record: logging.LogRecord) -> bool:
    """Whether our broker does not tell the same: Dramatiq's consumers say it twice a second while RabbitMQ is away, as critical."""
    return not (record.name.startswith("dramatiq.worker.ConsumerThread") and str(record.msg).startswith(_OF_A_CONSUMER))


def _shortened(word: object) -> object:
    actor, identifier = getattr(word, "actor_name", None), getattr(word, "message_id", None)
    return f"{actor} {identifier}" if actor is not None and identifier is not None else word


def _thread_died(died: threading.ExceptHookArgs) -> None:
    if died.exc_value is not None and not isinstance(died.exc_value, SystemExit):
        get_logger("feedline").error("thread_died", thread=died.thread.name if died.thread else None, exc_info=died.exc_value)
