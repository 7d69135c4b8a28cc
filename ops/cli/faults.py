"""What the command line says of a fault that could be foreseen: one sentence, without secrets, instead of a traceback."""

import sys
from datetime import UTC

from worker.errors import AmazonError, FeedlineError, Later, NotSent, Unclear
from worker.unreachable import why_postgres, why_rabbitmq


def sentence(error: BaseException) -> str | None:
    """Return what to tell the user, or None for a fault of our own, which deserves its traceback."""
    if isinstance(error, FeedlineError):
        return str(error)
    if isinstance(error, AmazonError):
        return of_amazon(error)
    return _of_the_database(error) or _of_the_broker(error) or _of_the_machine(error)


def of_amazon(error: AmazonError) -> str:
    """Return what Amazon said, and what to do where it is not said already."""
    match error:
        case Later():
            do = f" Try again after {error.at.astimezone(UTC):%H:%M:%S} UTC."
        case NotSent():
            do = " Check network and URLs with: feedline doctor"
        case Unclear():
            do = " Try again."
        case _:
            do = ""
    return f"{str(error).removesuffix('.')}.{do}"


def _of_the_database(error: BaseException) -> str | None:
    if "sqlalchemy" not in sys.modules:
        return None
    from sqlalchemy.exc import DBAPIError, ProgrammingError

    from worker.database import UNREACHABLE, described

    sqlstate = getattr(getattr(error, "orig", None), "sqlstate", None)
    if isinstance(error, ProgrammingError) and sqlstate in {"42P01", "42703"}:
        return "The database lacks a table or column that this program needs. Run: feedline db upgrade"
    if isinstance(error, UNREACHABLE):
        return f"Postgres cannot be used ({why_postgres(error)}). Check FEEDLINE_DATABASE_URL with: feedline doctor"
    if isinstance(error, DBAPIError):
        return f"Postgres refused a statement ({described(error)})."
    return None


def _of_the_broker(error: BaseException) -> str | None:
    for module, name in (
        ("pika.exceptions", "AMQPError"),
        ("pika.adapters.utils.connection_workflow", "AMQPConnectorException"),
        ("dramatiq.errors", "ConnectionError"),
    ):
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return f"RabbitMQ cannot be used ({why_rabbitmq(error)}). Check FEEDLINE_AMQP_URL with: feedline doctor"
    return None


def _of_the_machine(error: BaseException) -> str | None:
    """A file that is not there, a port that is taken."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else f"{error.strerror}."
    return None
