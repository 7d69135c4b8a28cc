"""`feedline run` and `feedline runs`: asked for by hand, done by a worker, summed up."""

import json
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from ops.cli.run import told
from tests.cli.conftest import Feedline
from tests.cli.shop import SPEED, StartSimulator, answered, opened
from tests.eventually import eventually
from tests.steps.shop import NAME, Shop
from worker.core.json import JsonObject


@pytest.fixture
def shop(settings: dict[str, str], start_simulator: StartSimulator) -> Iterator[Shop]:
    with opened(settings, start_simulator(speed=SPEED)) as connected:
        yield connected


@pytest.fixture
def working(shop: Shop) -> Iterator[Shop]:
    """The shop, with somebody who acts on wake-ups as a worker does."""
    stopping = Event()

    def work() -> None:
        while not stopping.is_set():
            shop.run_until(lambda: True)
            shop.ctx.clock.wait(stopping, 0.05)

    worker = Thread(target=work)
    worker.start()
    yield shop
    stopping.set()
    worker.join()


@pytest.mark.requirement("R16", "R88")
def test_a_run_that_is_waited_for_ends_with_its_summary(feedline: Feedline, settings: dict[str, str], working: Shop) -> None:
    working.lists("MUG-1")
    working.publish({"sku": "MUG-1", "price": "19.90"})

    (summary,) = answered(feedline, settings, "run", "sync-listings", "--connection", NAME, "--wait")

    assert (summary["connection"], summary["kind"], summary["trigger"], summary["state"]) == (NAME, "sync-listings", "manual", "done")
    assert {"received", "submitted", "succeeded", "failed", "skipped", "held"} <= summary.keys()
    (listed,) = answered(feedline, settings, "runs", "--connection", NAME)
    assert (listed["run_id"], listed["summary"]["received"]) == (summary["run_id"], summary["received"])
    table = feedline("runs", "--kind", "sync-listings", "--state", "done", settings=settings)
    assert (table.returncode, "received" in table.stdout) == (0, True)


def test_a_run_that_is_not_waited_for_is_queued(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    (queued,) = answered(feedline, settings, "run", "sync-orders", "--connection", NAME)

    assert (queued["state"], queued["trigger"]) == ("queued", "manual")
    assert shop.query("SELECT state FROM run") == [{"state": "queued"}]


@pytest.mark.requirement("R16")
def test_a_second_run_of_a_kind_is_refused_with_a_clear_word(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    feedline("run", "sync-orders", "--connection", NAME, settings=settings)

    again = feedline("run", "sync-orders", "--connection", NAME, settings=settings)
    for_programs = feedline("run", "sync-orders", "--connection", NAME, "--json", settings=settings)

    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("RUN_UNDER_WAY: US shop has a run of sync-orders under way already: run 1.")
    assert for_programs.returncode == 1
    assert json.loads(for_programs.stdout)["code"] == "RUN_UNDER_WAY"


def test_a_connection_or_a_kind_that_there_is_not_is_refused(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    nobodys = feedline("run", "sync-orders", "--connection", "Nobody's", settings=settings)
    coffee = feedline("run", "make-coffee", "--connection", NAME, settings=settings)

    assert (nobodys.returncode, nobodys.stderr.partition(".")[0]) == (1, "There is no connection named Nobody's")
    assert (coffee.returncode, coffee.stderr.partition(".")[0]) == (2, "There is no run 'make-coffee'")
    assert shop.query("SELECT * FROM run") == []


def test_an_order_without_an_id_is_refused(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    nameless = feedline("run", "get-orders", "--connection", NAME, "--order", " ", settings=settings)

    assert (nameless.returncode, nameless.stderr) == (2, "--order is empty. Name an order by Amazon's order id.\n")
    assert shop.query("SELECT * FROM run") == []


def test_a_paused_connection_is_refused_and_told_how_to_go_on(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    feedline("connection", "pause", NAME, settings=settings)

    run = feedline("run", "sync-listings", "--connection", NAME, "--wait", settings=settings)

    assert run.returncode == 1
    assert "CONNECTION_PAUSED" in run.stderr
    assert f'feedline connection resume "{NAME}"' in run.stderr


def test_waiting_for_a_run_that_fails_ends_with_exit_code_1(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    outcome: list[tuple[int, JsonObject]] = []

    def wait() -> None:
        run = feedline("run", "sync-listings", "--connection", NAME, "--wait", "--json", settings=settings)
        outcome.append((run.returncode, json.loads(run.stdout)))

    waiting = Thread(target=wait)
    waiting.start()

    def ended() -> bool:
        # Nothing conducts here: a step that came first would end the run well.
        shop.execute(
            "UPDATE run SET state = 'failed', fault = 'Amazon is away.', started_at = now(), finished_at = now(), due_at = NULL"
            " WHERE finished_at IS NULL"
        )
        return not waiting.is_alive()

    eventually(ended, within_seconds=30)

    ((exit_code, summary),) = outcome
    assert (exit_code, summary["state"], summary["fault"]) == (1, "failed", "Amazon is away.")


@pytest.mark.parametrize(("option", "word"), [("--kind", "make-coffee"), ("--state", "asleep")])
def test_a_list_of_runs_of_what_there_is_not_is_wrong_usage(
    feedline: Feedline, settings: dict[str, str], shop: Shop, option: str, word: str
) -> None:
    run = feedline("runs", option, word, settings=settings)

    assert run.returncode == 2
    assert word in run.stderr


def test_a_summary_in_a_line_leaves_out_what_is_empty() -> None:
    assert told({"orders": 1200, "gaps": [], "window": {"since": None, "until": "now"}}) == "orders 1,200, window until now"
