"""What the command line says of a fault that could be foreseen: one sentence, without secrets, instead of a traceback."""

import sys

from worker.errors import AmazonError, FeedlineError


def sentence(error: BaseException) -> str | None:
    """Return what to tell the user, or None for a fault of our own, which deserves its traceback."""
    if isinstance(error, (FeedlineError, AmazonError)):
        return str(error)
    return _of_the_database(error) or _of_the_broker(error) or _of_the_machine(error)


def _of_the_database(error: BaseException) -> str | None:
    if "sqlalchemy" not in sys.modules:
        return None
    from sqlalchemy.exc import DBAPIError, ProgrammingError

    from worker.database import UNREACHABLE, described

    sqlstate = getattr(getattr(error, "orig", None), "sqlstate", None)
    if isinstance(error, ProgrammingError) and sqlstate in {"42P01", "42703"}:
        return "The database lacks a table or column that this program needs. Run: feedline db upgrade"
    if isinstance(error, UNREACHABLE):
        return f"Postgres cannot be used ({unreachable(error)}). Check FEEDLINE_DATABASE_URL with: feedline doctor"
    if isinstance(error, DBAPIError):
        return f"Postgres refused a statement ({described(error)})."
    return None


def unreachable(error: BaseException) -> str:
    """Return why Postgres cannot be reached, in libpq's own words as far as they hold no data."""
    original = getattr(error, "orig", None)
    if getattr(original, "sqlstate", None):
        return f"{type(original).__name__}, SQLSTATE {getattr(original, 'sqlstate', '')}"
    text = str(original or error).strip()
    # libpq's messages of a failed connect name host, port, user and database, never the password.
    return text.splitlines()[-1].strip() if text else type(error).__name__


def _of_the_broker(error: BaseException) -> str | None:
    for module, name in (("pika.exceptions", "AMQPError"), ("dramatiq.errors", "ConnectionError")):
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return f"RabbitMQ cannot be used ({broker_fault(error)}). Check FEEDLINE_AMQP_URL with: feedline doctor"
    return None


def broker_fault(error: BaseException) -> str:
    """Return why RabbitMQ cannot be used. pika's `str` is often empty or a nest of `repr`, so the name comes first."""
    words = [str(word) for word in error.args if isinstance(word, str) and word]
    while not words and error.__cause__ is not None:
        error = error.__cause__
        words = [str(word) for word in error.args if isinstance(word, str) and word]
    return ": ".join([type(error).__name__, *words[:1]])


def _of_the_machine(error: BaseException) -> str | None:
    """A file that is not there, a port that is taken."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else f"{error.strerror}."
    return None
