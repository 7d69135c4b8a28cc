"""The states of a run, and which kinds have a schedule."""

import re
from pathlib import Path

import pytest

import schema.migrations.versions
from worker.core.connections import ConnectionSettings
from worker.core.runs import ENDED, TRANSITIONS, UNDER_WAY, RunEvent, RunKind, RunState, Trigger, after, every

ALLOWED = {
    ("queued", "taken_up"): "running",
    ("running", "taken_up"): "running",
    ("running", "work_done"): "done",
    ("running", "work_failed"): "failed",
}
SETTINGS = {"name": "US", "marketplace_id": "ATVPDKIKX0DER", "selling_partner_id": "A1EXAMPLESELLER"}


@pytest.mark.parametrize("event", RunEvent)
@pytest.mark.parametrize("state", RunState)
def test_a_state_meets_only_the_events_that_the_table_names(state: RunState, event: RunEvent) -> None:
    expected = ALLOWED.get((state, event))

    if expected is None:
        with pytest.raises(ValueError, match=f"A run that is {state} cannot meet {event}"):
            after(state, event)
    else:
        assert after(state, event) == expected


def test_a_run_is_under_way_or_has_ended_and_nothing_leads_out_of_an_end() -> None:
    assert {*UNDER_WAY, *ENDED} == set(RunState)
    assert [TRANSITIONS[state] for state in ENDED] == [{}, {}]


@pytest.mark.parametrize(("column", "words"), [("state", RunState), ("kind", RunKind), ("trigger", Trigger)])
def test_the_database_allows_just_these_words(column: str, words: type[RunState | RunKind | Trigger]) -> None:
    sql = (Path(schema.migrations.versions.__file__).parent / "0001_initial.sql").read_text()
    table = sql[sql.index("CREATE TABLE run (") :]
    check = re.search(rf"CHECK \({column} IN \(([^)]*)\)", table)

    assert check is not None
    assert set(re.findall(r"'([\w-]+)'", check[1])) == set(words)


@pytest.mark.requirement("R10")
def test_orders_are_pulled_every_quarter_of_an_hour_unless_told_otherwise() -> None:
    settings = ConnectionSettings.model_validate(SETTINGS)

    assert [every(settings, kind) for kind in RunKind] == [None, "15m", None, None]


def test_the_sections_of_a_connection_give_the_schedules() -> None:
    settings = ConnectionSettings.model_validate({**SETTINGS, "get_orders": {"every": None}, "import_listings": {"every": "0 3 * * *"}})

    assert [every(settings, kind) for kind in RunKind] == ["0 3 * * *", None, None, None]
