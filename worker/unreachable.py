"""Why a server cannot be used, in words that hold no secret and no data."""


def why_postgres(error: BaseException) -> str:
    """Return libpq's reason: host, port, user and database may be in it, the password never is."""
    original = getattr(error, "orig", None) or error
    sqlstate = getattr(original, "sqlstate", None)
    if sqlstate:
        return f"{type(original).__name__}, SQLSTATE {sqlstate}"
    if type(original).__name__ == "ProgrammingError":
        return "it is no URL of a database"  # libpq repeats what it cannot read, a password included
    lines = str(original).strip().splitlines()
    return lines[0].strip() if lines else type(original).__name__


def why_rabbitmq(error: BaseException) -> str:
    """Return the kind of fault and the broker's or the socket's words. pika's `str` is often empty or a nest of `repr`."""
    innermost: BaseException = error
    while (inner := _inside(innermost)) is not None:
        innermost = inner
    words = [word for word in innermost.args if isinstance(word, str) and word]
    return ": ".join([type(innermost).__name__, *words[-1:]])


def _inside(error: BaseException) -> BaseException | None:
    """Pika wraps the socket's error as an argument, as an attribute or as the cause."""
    wrapped = getattr(error, "exception", None) or getattr(error, "exceptions", None) or error.__cause__ or error.args[:1]
    first = wrapped[-1] if isinstance(wrapped, (list, tuple)) and wrapped else wrapped
    return first if isinstance(first, BaseException) and first is not error else None
