"""`feedline results`: what became of a connection's messages."""

from collections.abc import Iterator

import pytest

from tests.cli.conftest import Feedline
from tests.cli.shop import SPEED, StartSimulator, answered, opened
from tests.steps.shop import NAME, Shop
from worker.store import traces


@pytest.fixture
def shop(settings: dict[str, str], start_simulator: StartSimulator) -> Iterator[Shop]:
    with opened(settings, start_simulator(speed=SPEED)) as connected:
        yield connected


def test_every_message_that_has_ended_is_one_line_the_newest_end_first(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    for number in range(7):
        shop.publish({"id": f"m-{number}", "sku": "MUG-1", "quantity": number})

    found = answered(feedline, settings, "results", "--connection", NAME)

    assert [each["id"] for each in found] == ["m-5", "m-4", "m-3", "m-2", "m-1", "m-0"]
    assert {each["outcome"] for each in found} == {"superseded"}
    assert "history" not in found[0]


def test_pages_of_outcomes_of_the_same_moment_lose_and_repeat_nothing(shop: Shop) -> None:
    shop.publish(*({"id": f"m-{number}", "sku": "MUG-1", "quantity": number} for number in range(12)))
    seen: list[int] = []
    with shop.ctx.database.begin() as tx:
        (connection_id,) = tx.exec_driver_sql("SELECT id FROM connection").one()
        place = None
        while page := traces.ended(tx, connection_id, outcome=None, since=None, after=place, at_most=5):
            seen += [each.id for each in page]
            place = page[-1]

    assert len(seen) == len(set(seen)) == 11
    assert seen == sorted(seen, reverse=True)


def test_results_are_chosen_by_outcome_time_and_number(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    shop.publish({"id": "bad", "sku": "MUG-1", "quantity": "x"})
    shop.publish(*({"id": f"m-{number}", "sku": "MUG-1", "quantity": number} for number in range(3)))

    invalid = answered(feedline, settings, "results", "--connection", NAME, "--outcome", "invalid")
    newest = answered(feedline, settings, "results", "--connection", NAME, "--limit", "1", "--since", "1h")
    future = answered(feedline, settings, "results", "--connection", NAME, "--since", "2999-01-01T00:00:00Z")
    pending = answered(feedline, settings, "results", "--connection", NAME, "--outcome", "pending")

    assert [each["id"] for each in invalid] == ["bad"]
    assert [each["id"] for each in newest] == ["m-1"]
    assert future == []
    assert [each["id"] for each in pending] == ["m-2"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (("--connection", "nobody's"), 1, "There is no connection named nobody's."),
        (("--connection", NAME, "--outcome", "lost"), 2, "There is no outcome 'lost'."),
        (("--connection", NAME, "--since", "yesterday"), 2, "'yesterday' is no time."),
        (("--connection", NAME, "--limit", "9" * 20), 2, "less than or equal to 2147483647"),
        ((), 2, "--connection"),
    ],
)
def test_a_wrong_question_is_answered_in_one_sentence(
    feedline: Feedline, settings: dict[str, str], arguments: tuple[str, ...], exit_code: int, says: str
) -> None:
    run = feedline("results", *arguments, settings=settings)

    assert run.returncode == exit_code
    assert says in run.stderr
    assert "Traceback" not in run.stderr
