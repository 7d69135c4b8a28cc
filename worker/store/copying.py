"""Many rows at once: by COPY where they are only written, as columns of text where a statement goes on with them."""

from collections.abc import Iterable, Sequence
from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError

from worker.database import Transaction

LINES: Final = "(SELECT string_to_array(%s, E'\\n', ''))"
"""What a statement makes of `lines`: an array of text.

It stands behind a SELECT, as those below do, so that Postgres does not see how long it is, takes it for short, and looks each key up.
Told of 500 keys it read a table of 20,000 whole, in 7 ms instead of 2; told of 25,000 it read and hashed all of a million.
"""

JSON_LINES: Final = "(SELECT string_to_array(%s, E'\\n', 'null'))"
"""What a statement makes of `codec.lines`: an array of text that is JSON, None as NULL."""

NUMBERS: Final = "(SELECT %s::bigint[])"
"""What a statement makes of `array_of_numbers`."""


def copy_rows(tx: Transaction, into: str, rows: Iterable[Sequence[object]]) -> None:
    """Write *rows* with one COPY. *into*: a table and its columns, `outcome (message_id, outcome)`.

    Raises: SQLAlchemy's errors, as every other statement does.
    """
    driver = tx.connection.driver_connection
    statement = f"COPY {into} FROM STDIN"
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[union-attr]
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise DBAPIError.instance(statement, None, error, psycopg.Error, hide_parameters=True) from None


def lines(values: Iterable[object]) -> str:
    """Return a column as one text, a line each; None is an empty line. An empty text comes out as NULL, too.

    psycopg makes an array item by item in Python, which takes ten times as long. Raises: ValueError when a value holds a newline.
    """
    texts = list(values)
    try:
        text = "\n".join(texts)  # type: ignore[arg-type]  # nearly every column is nothing but text
    except TypeError:
        text = "\n".join("" if value is None else str(value) for value in texts)
    if text.count("\n") >= max(1, len(texts)):
        raise ValueError("a value of a column holds a newline")
    return text


def array_of_numbers(numbers: Iterable[int]) -> str:
    """Return *numbers* as Postgres writes an array of them."""
    return "{" + ",".join(map(str, numbers)) + "}"
