"""Columns as text, and COPY: what comes back is what was given, and a fault is one of SQLAlchemy's."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DataError, IntegrityError

from worker.database import Database
from worker.store import codec
from worker.store.copying import JSON_LINES, LINES, array_of_numbers, copy_rows, lines

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\0"), min_size=1)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.none() | WORDS, min_size=2), st.lists(st.none() | st.dictionaries(st.text(), st.text()), min_size=2))
def test_a_column_comes_back_as_it_was_given(stored: Database, words: list[str | None], documents: list[dict[str, str] | None]) -> None:
    with stored.begin() as tx:
        said = tx.exec_driver_sql(f"SELECT {LINES}", (lines(words),)).scalar_one()
        written: list[Any] = tx.exec_driver_sql(f"SELECT {JSON_LINES}", (codec.lines(documents),)).scalar_one()

    assert said == words
    assert written == [None if document is None else codec.text(document) for document in documents]


def test_a_newline_in_a_column_is_refused_before_it_shifts_the_rows_behind_it() -> None:
    with pytest.raises(ValueError, match="newline"):
        lines(["one", "two\nthree"])


def test_an_array_of_numbers_is_one(stored: Database) -> None:
    with stored.begin() as tx:
        assert tx.exec_driver_sql("SELECT %s::bigint[]", (array_of_numbers([2**53, -1]),)).scalar_one() == [2**53, -1]


@pytest.mark.parametrize(("value", "error"), [("\0", DataError), (None, IntegrityError)])
def test_a_copy_that_fails_says_so_as_every_statement_does(stored: Database, value: str | None, error: type[Exception]) -> None:
    with pytest.raises(error), stored.begin() as tx:
        copy_rows(tx, "lease (name, until)", [(value, "2026-01-31")])
