"""`feedline db upgrade`."""

import json

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
