"""`feedline db upgrade`."""

import json

import psycopg
import pytest

from tests.cli.conftest import Feedline


def test_an_empty_database_is_brought_to_the_newest_schema_and_stays_there(
    feedline: Feedline, settings: dict[str, str], empty_database: str
) -> None:
    settings["FEEDLINE_DATABASE_URL"] = empty_database

    first = feedline("db", "upgrade", settings=settings)
    second = feedline("db", "upgrade", "--json", settings=settings)

    assert (first.returncode, second.returncode) == (0, 0)
    assert "from nothing to revision" in first.stdout
    told = json.loads(second.stdout)
    assert told["from"] == told["to"]


@pytest.mark.parametrize(("revision", "readable_since", "code"), [("9998", "0001", 0), ("9998", "9998", 1), ("0000", "0001", 1)])
def test_a_schema_of_which_this_program_has_no_migration_is_left_as_it_is(
    feedline: Feedline, settings: dict[str, str], database: str, revision: str, readable_since: str, code: int
) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", (revision,))
        connection.execute("UPDATE schema_compatibility SET readable_since = %s", (readable_since,))

    done = feedline("db", "upgrade", settings=settings)

    assert done.returncode == code
    assert revision in done.stdout + done.stderr
    assert len((done.stdout + done.stderr).strip().splitlines()) == 1, "one sentence, and no traceback"
