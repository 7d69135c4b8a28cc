"""The import of listings against the simulator: what is kept, what is left alone, and every way in which a report goes wrong."""

from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest

from tests.steps.shop import MARKETPLACE, NAME, SELLER, Shop
from worker.amazon import reports as reports_api
from worker.amazon.reports import Download
from worker.context import Context
from worker.core.connections import Connection
from worker.core.runs import RunKind, StepResult, Trigger
from worker.steps import import_listings as step
from worker.steps.run import ask, take_steps
from worker.store import connections, imported_listings, runs, shipments
from worker.store.runs import Run

STEPS = 60
"""More than any import takes."""

COLUMNS = ["seller-sku", "item-name", "price", "status"]


class Dies(BaseException):
    """As kill -9 does: nothing that follows is done."""


@pytest.fixture
def connected(shop: Shop) -> Shop:
    shop.connect()
    return shop


def reports(shop: Shop, *listings: tuple[str, str], lines: tuple[str, ...] = (), **rules: object) -> None:
    """Let the next reports have these listings, and these lines as they are; *rules*: how it is written."""
    written = [f"{sku}\t{title}\t19.99\tActive" for sku, title in listings]
    shop.simulator.set_limits(report={"encoding": "utf-8", "columns": COLUMNS, **rules})
    shop.simulator.put_more_listings(SELLER, MARKETPLACE, lines=[*written, *lines])


def begin(shop: Shop) -> int:
    with shop.ctx.database.begin() as tx:
        return ask(tx, NAME, "import-listings", Trigger.MANUAL)


def shown(shop: Shop, run_id: int) -> dict[str, Any]:
    with shop.ctx.database.begin() as tx:
        return runs.shown(tx, run_id)


def due_now(shop: Shop) -> None:
    shop.execute("UPDATE run SET due_at = now(), claimed_until = NULL WHERE due_at IS NOT NULL")
    shop.execute("UPDATE quota SET waiting_until = NULL, tokens = burst, recent = '{}'")


def to_its_end(shop: Shop, run_id: int) -> dict[str, Any]:
    """Take the run's steps, none of them waited for, until it has ended."""
    for _ in range(STEPS):
        due_now(shop)
        take_steps(shop.ctx, run_id, Event())
        run = shown(shop, run_id)
        if run["finished_at"] is not None:
            return run
        shop.simulator.advance(600)
    raise AssertionError(f"it has not ended: {run}")


def imported(shop: Shop) -> dict[str, Any]:
    """Run an import to its good end, and return its summary."""
    run = to_its_end(shop, begin(shop))
    assert (run["state"], run["fault"]) == ("done", None)
    summary: dict[str, Any] = run["summary"]
    return summary


def listed(shop: Shop) -> dict[str, str | None]:
    """What `feedline listings` would print."""
    with shop.ctx.database.begin() as tx:
        connection_id = tx.exec_driver_sql("SELECT id FROM connection").scalar_one()
        return dict(imported_listings.listed(tx, connection_id))


def rows(shop: Shop) -> list[dict[str, Any]]:
    """The rows, and where and since when they stand: a row that was written, or only locked, is another."""
    return shop.query("SELECT *, ctid::text, xmin::text, xmax::text FROM imported_listing ORDER BY sku")


# --- what is kept ---------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R20", "R22", "R25")
def test_sku_and_title_of_every_listing_are_imported_and_nothing_else(connected: Shop) -> None:
    reports(connected, ("AMZ12345", "Blue Widget"), ("AMZ67890", "Red Gadget"))

    summary = imported(connected)

    assert listed(connected) == {"AMZ12345": "Blue Widget", "AMZ67890": "Red Gadget"}
    assert (summary["report_status"], summary["lines"], summary["listings"], summary["added"]) == ("DONE", 2, 2, 2)
    assert {name for name, value in rows(connected)[0].items() if value in {"19.99", "Active"}} == set()


@pytest.mark.requirement("R7", "R8")
def test_the_prefix_is_taken_off_once_and_only_where_it_is(shop: Shop) -> None:
    shop.connect(sku_prefix="AMZ-")
    reports(shop, ("AMZ-X", "a"), ("AMZ-AMZ-Y", "b"), ("AMZ12345", "c"), ("amz-Z", "d"))

    imported(shop)

    assert listed(shop) == {"X": "a", "AMZ-Y": "b", "AMZ12345": "c", "amz-Z": "d"}


@pytest.mark.requirement("R23")
def test_a_connection_that_saves_skus_alone_has_no_titles_also_none_from_before(connected: Shop) -> None:
    reports(connected, ("A-1", "Mug"))
    imported(connected)
    connected.connect(import_listings={"save": ["SKU"]})

    summary = imported(connected)

    assert listed(connected) == {"A-1": None}
    assert summary["changed"] == 1
    before = rows(connected)
    assert imported(connected)["changed"] == 0
    assert rows(connected) == before


@pytest.mark.requirement("R28")
def test_an_import_that_brings_nothing_new_writes_and_locks_no_row(connected: Shop) -> None:
    reports(connected, ("A-1", "Mug"), ("A-2", "Caf? Cup"), ("A-3", ""))
    imported(connected)
    before = rows(connected)

    summary = imported(connected)

    assert rows(connected) == before
    assert [summary[name] for name in ("added", "changed", "returned", "vanished")] == [0, 0, 0, 0]


@pytest.mark.requirement("R28")
def test_only_what_differs_is_written(connected: Shop) -> None:
    reports(connected, ("A-1", "Mug"), ("A-2", "Cup"), ("A-3", "Jug"))
    imported(connected)
    before = rows(connected)
    reports(connected, ("A-1", "Mug"), ("A-2", "Big cup"), ("A-4", "Pot"), ("A-3", "Jug"))

    summary = imported(connected)

    after = rows(connected)
    assert (summary["added"], summary["changed"]) == (1, 1)
    assert (after[0], after[2]) == (before[0], before[2])
    assert listed(connected) == {"A-1": "Mug", "A-2": "Big cup", "A-3": "Jug", "A-4": "Pot"}


def test_skus_that_are_gone_are_marked_and_come_back(connected: Shop) -> None:
    reports(connected, ("A-1", "Mug"), ("A-2", "Cup"))
    imported(connected)
    first_seen = rows(connected)[1]["first_seen_at"]
    reports(connected, ("A-1", "Mug"))

    assert imported(connected)["vanished"] == 1
    assert listed(connected) == {"A-1": "Mug"}
    assert rows(connected)[1]["vanished_at"] is not None
    assert imported(connected)["vanished"] == 0
    reports(connected, ("A-1", "Mug"), ("A-2", "Cup"))

    assert imported(connected)["returned"] == 1
    assert listed(connected) == {"A-1": "Mug", "A-2": "Cup"}
    assert rows(connected)[1]["first_seen_at"] == first_seen


@pytest.mark.parametrize("damaged", ["Caf? Mug", "Caf\ufffd Mug", "Caf\ufffd\ufffd Mug", ""])
def test_a_damaged_or_missing_title_does_not_take_the_place_of_a_good_one(connected: Shop, damaged: str) -> None:
    reports(connected, ("A-1", "Café Mug"))
    imported(connected)
    reports(connected, ("A-1", damaged), ("A-2", "?"))

    summary = imported(connected)

    assert listed(connected) == {"A-1": "Café Mug", "A-2": "?"}
    assert summary["damaged_titles"] == (1 if damaged == "" else 2)
    reports(connected, ("A-1", "Café Cup"), ("A-2", "Ω"))
    imported(connected)
    assert listed(connected) == {"A-1": "Café Cup", "A-2": "Ω"}


@pytest.mark.parametrize("new", ["A café mug?", "Caf? mugs", r"10\% off?"])
def test_a_title_that_has_become_a_question_takes_the_place_of_the_old_one(connected: Shop, new: str) -> None:
    reports(connected, ("A-1", "Café Mug"))
    imported(connected)
    reports(connected, ("A-1", new))

    assert imported(connected)["changed"] == 1
    assert listed(connected) == {"A-1": new}


def test_of_two_lines_with_one_sku_the_last_counts_each_time(connected: Shop) -> None:
    reports(connected, ("A-1", "first"), ("A-2", "Cup"), ("A-1", "second"), ("A-1", "last"))

    summary = imported(connected)

    assert listed(connected) == {"A-1": "last", "A-2": "Cup"}
    assert (summary["lines"], summary["listings"], summary["duplicates"]) == (4, 2, 2)
    before = rows(connected)
    imported(connected)
    assert rows(connected) == before


@pytest.mark.requirement("R27")
@pytest.mark.parametrize(
    "rules",
    [
        {"encoding": "cp1252"},
        {"encoding": "cp1252", "charset": ""},
        {"encoding": "cp1252", "newline": "\n", "compress": False},
        {"encoding": "utf-8-sig"},
        {"encoding": "utf-8", "charset": "Cp1252"},
    ],
)
def test_a_report_is_read_in_whatever_form_it_comes(connected: Shop, rules: dict[str, Any]) -> None:
    reports(connected, ("GRÖẞE-1".replace("ẞ", "S"), "Größe “M” €"), **rules)

    imported(connected)

    assert listed(connected) == {"GRÖSE-1": "Größe “M” €"}


@pytest.mark.requirement("R27")
@pytest.mark.parametrize("body", ["plain", "gzip"])
def test_the_flag_of_the_document_may_lie(connected: Shop, body: str) -> None:
    reports(connected, ("A-1", "Mug"), compress=body == "plain")
    connected.simulator.fault("gzip_flag_lies", body=body)

    imported(connected)

    assert listed(connected) == {"A-1": "Mug"}


def test_broken_lines_are_kept_and_a_listing_that_one_of_them_names_has_not_vanished(connected: Shop) -> None:
    reports(connected, ("A-1", "Mug"), ("A-2", "Cup"), ("A-3", "Jug"), ("A-4", "Pot"))
    imported(connected)
    reports(connected, ("A-1", "Mug"), lines=("A-2\tCup\twith a tab\t19.99\tActive", f"A-3\t{'J' * 1024 * 1024}\t19.99\tActive"))

    summary = imported(connected)

    assert listed(connected) == {"A-1": "Mug", "A-2": "Cup", "A-3": "Jug"}
    assert (summary["broken_lines"], summary["vanished"]) == (2, 1)
    with connected.ctx.database.begin() as tx:
        connection_id = tx.exec_driver_sql("SELECT id FROM connection").scalar_one()
        first, second = imported_listings.broken_lines(tx, connection_id)
    assert (first.line, first.text) == (3, "A-2\tCup\twith a tab\t19.99\tActive")
    assert (second.line, len(second.text) < 200) == (4, True)


def test_an_order_is_managed_while_its_skus_are_imported_and_have_not_vanished(connected: Shop) -> None:
    order = "111-1111111-1111111"
    connected.execute(
        "INSERT INTO amazon_order (connection_id, amazon_order_id, status, updated_at) "
        f"SELECT id, '{order}', 'UNSHIPPED', now() FROM connection"
    )
    connected.execute(
        "INSERT INTO amazon_order_item (connection_id, amazon_order_id, amazon_order_item_id, sku, quantity) "
        f"SELECT id, '{order}', '1', 'A-1', 1 FROM connection"
    )
    reports(connected, ("A-1", "Mug"), ("A-2", "Cup"))
    imported(connected)
    managed = is_linked(connected, order)
    reports(connected, ("A-2", "Cup"))
    imported(connected)

    assert (managed, is_linked(connected, order)) == (True, False)


def is_linked(shop: Shop, order: str) -> bool:
    with shop.ctx.database.begin() as tx:
        connection_id = tx.exec_driver_sql("SELECT id FROM connection").scalar_one()
        return shipments.orders(tx, connection_id, [order])[order].items[0].is_linked


# --- three ends -----------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R29")
@pytest.mark.parametrize(
    ("fault", "status", "says"),
    [
        ({"kind": "report_cancelled"}, "CANCELLED", "REPORT_CANCELLED: Amazon cancelled the report"),
        ({"kind": "report_fatal"}, "FATAL", "REPORT_FATAL: Amazon failed to make the report"),
        ({"kind": "report_fatal", "report": True}, "FATAL", "The report could not be generated because of an internal error."),
    ],
)
def test_a_report_that_is_cancelled_or_fatal_is_named_so_and_nothing_vanishes(
    connected: Shop, fault: dict[str, Any], status: str, says: str
) -> None:
    reports(connected, ("A-1", "Mug"))
    imported(connected)
    connected.simulator.fault(**fault)

    run = to_its_end(connected, begin(connected))

    assert (run["state"], run["summary"]["report_status"]) == ("failed", status)
    assert says in run["fault"]
    assert listed(connected) == {"A-1": "Mug"}


@pytest.mark.requirement("R29")
@pytest.mark.parametrize(("ends", "code"), [("cancelled", "REPORT_CANCELLED"), ("header", "REPORT_EMPTY")])
def test_no_data_is_not_a_seller_without_listings(connected: Shop, ends: str, code: str) -> None:
    reports(connected, ("A-1", "Mug"))
    imported(connected)
    reports(connected)
    connected.simulator.set_limits(empty_report=ends)

    run = to_its_end(connected, begin(connected))

    assert (run["state"], run["fault"].partition(":")[0]) == ("failed", code)
    assert listed(connected) == {"A-1": "Mug"}


def test_a_report_without_one_line_that_can_be_read_is_refused_and_nothing_vanishes(connected: Shop) -> None:
    reports(connected, ("A-1", "Mug"))
    imported(connected)
    reports(connected, lines=("x", "y"))

    run = to_its_end(connected, begin(connected))

    assert (run["state"], run["summary"]["broken_lines"]) == ("failed", 2)
    assert "none of its 2 lines can be read" in run["fault"]
    assert listed(connected) == {"A-1": "Mug"}


# --- downloads that go wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "download_truncated", "body": "length"},
        {"kind": "download_truncated", "body": "gzip"},
        {"kind": "download_html"},
        {"kind": "download_error"},
        {"kind": "url_expired_early"},
    ],
    ids=lambda fault: "-".join(fault.values()),
)
def test_a_broken_download_is_thrown_away_and_made_again(connected: Shop, fault: dict[str, Any]) -> None:
    reports(connected, ("A-1", "Mug"), ("A-2", "Cup"))
    imported(connected)
    connected.simulator.put_more_listings(SELLER, MARKETPLACE, count=5_000, lines=["A-1\tMug\t19.99\tActive"])
    connected.simulator.fault(**fault, count=2)
    run_id = begin(connected)
    while not connected.query("SELECT FROM run WHERE finished_at IS NOT NULL AND id = (SELECT max(id) FROM run)"):
        assert len(listed(connected)) == 2
        due_now(connected)
        take_steps(connected.ctx, run_id, Event())

    run = shown(connected, run_id)
    assert (run["state"], run["summary"]["listings"], run["summary"]["vanished"]) == ("done", 5_001, 1)
    assert len(connected.simulator.reports(SELLER)) == 2


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "download_truncated", "body": "gzip"}, "REPORT_TRUNCATED"),
        ({"kind": "download_truncated", "body": "length"}, "REPORT_TRUNCATED"),
        ({"kind": "download_html"}, "REPORT_UNREADABLE"),
    ],
)
def test_a_document_that_is_never_good_fails_the_run_and_touches_nothing(connected: Shop, fault: dict[str, Any], code: str) -> None:
    reports(connected, ("A-1", "Mug"), ("A-2", "Cup"))
    imported(connected)
    before = rows(connected)
    connected.simulator.fault(**fault, count="always")

    run = to_its_end(connected, begin(connected))

    assert (run["state"], run["fault"].partition(":")[0]) == ("failed", code)
    assert rows(connected) == before


def test_a_download_that_only_trickles_is_given_up_in_the_end(connected: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports_api, "LONGEST_DOWNLOAD_SECONDS", -1)
    reports(connected, ("A-1", "Mug"))

    run = to_its_end(connected, begin(connected))

    assert (run["state"], run["fault"].partition(":")[0]) == ("failed", "REPORT_TRUNCATED")


def test_a_slow_download_keeps_its_run_chunk_by_chunk(connected: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "KEEP_SECONDS", -1)
    run_id = begin(connected)
    with connected.ctx.database.begin() as tx:
        run, connection = runs.claim(tx, run_id), connections.by_name(tx, NAME)
    assert run is not None
    kept: list[bool] = []

    def slow() -> Iterator[bytes]:
        yield "\t".join(COLUMNS).encode() + b"\n"
        for number in range(3):
            connected.execute("UPDATE run SET claimed_until = now() + interval '1 second'")
            yield f"A-{number}\tMug\t19.99\tActive\n".encode()
            kept.append(connected.query("SELECT claimed_until > now() + interval '50 seconds' AS kept FROM run")[0]["kept"])

    with connected.ctx.database.session() as session:
        summary, _ = step.stage(connected.ctx, run, connection, session, Download("utf-8", slow()))

    assert (summary["listings"], kept) == (3, [True] * 3)
    (row,) = connected.query("SELECT claimed_until > now() + interval '9 minutes' AS long_enough, summary ->> 'lines' AS lines FROM run")
    assert row == {"long_enough": True, "lines": "3"}, "for the statement that chooses among all lines"


def test_a_report_over_which_workers_die_is_not_said_to_be_broken(connected: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    reports(connected, ("A-1", "Mug"))
    run_id = begin(connected)
    with monkeypatch.context() as patched:
        patched.setattr(imported_listings, "stage_end", Dying(imported_listings.stage_end, after=0))
        for _ in range(step.MOST_DOWNLOADS):
            with pytest.raises(Dies):
                to_its_end(connected, run_id)

    run = to_its_end(connected, run_id)

    assert (run["state"], run["fault"].partition(":")[0]) == ("failed", "REPORT_ABANDONED")


# --- calls and workers that are lost --------------------------------------------------------------------------------------------


@pytest.mark.requirement("R30")
@pytest.mark.parametrize("dies_after", range(4))
def test_the_report_survives_the_death_of_a_worker_at_any_step(connected: Shop, dies_after: int) -> None:
    reports(connected, ("A-1", "Mug"))
    connected.simulator.set_limits(report_queue_seconds=3 * 3600)
    run_id = begin(connected)
    taken: list[None] = []

    def mortal(ctx: Context, run: Run, connection: Connection) -> StepResult:
        result = step.import_listings(ctx, run, connection)
        taken.append(None)
        if len(taken) == dies_after + 1:
            raise Dies
        return result

    def until_dead() -> None:
        while True:
            due_now(connected)
            take_steps(connected.ctx, run_id, Event(), {RunKind.IMPORT_LISTINGS: mortal})

    with pytest.raises(Dies):
        until_dead()

    assert to_its_end(connected, run_id)["state"] == "done"
    assert listed(connected) == {"A-1": "Mug"}
    assert len(connected.simulator.reports(SELLER)) == 1


@pytest.mark.parametrize("fault", [{"kind": "error_after"}, {"kind": "drop_after"}])
@pytest.mark.parametrize("lag", [False, True], ids=["listed at once", "listed late"])
def test_after_a_lost_answer_the_report_is_found_and_not_asked_for_again(connected: Shop, fault: dict[str, Any], *, lag: bool) -> None:
    reports(connected, ("A-1", "Mug"))
    connected.simulator.fault(**fault, operation="createReport")
    if lag:
        connected.simulator.fault("getreports_lag", seconds=200)

    imported(connected)

    assert listed(connected) == {"A-1": "Mug"}
    assert len(connected.simulator.reports(SELLER)) == (1 if not lag else len(connected.simulator.calls("createReport")))


def test_a_report_is_found_though_amazons_clock_is_behind_ours(connected: Shop) -> None:
    reports(connected, ("A-1", "Mug"))
    connected.simulator.fault("error_after", operation="createReport")
    run_id = begin(connected)
    take_steps(connected.ctx, run_id, Event())
    connected.execute(
        "UPDATE run SET cursor = jsonb_set(cursor, '{asked_at}', to_jsonb((cursor ->> 'asked_at')::timestamptz + interval '3 minutes'))"
    )

    assert to_its_end(connected, run_id)["state"] == "done"
    assert len(connected.simulator.calls("createReport")) == 1


def test_a_report_that_was_cancelled_before_ours_was_asked_for_is_none_of_ours(connected: Shop) -> None:
    reports(connected)
    connected.simulator.set_limits(empty_report="cancelled")
    to_its_end(connected, begin(connected))
    connected.simulator.set_limits(empty_report="header")
    reports(connected, ("A-1", "Mug"))
    connected.simulator.fault("error_before", operation="createReport", status=500)

    imported(connected)

    assert len(connected.simulator.reports(SELLER)) == 2


def test_a_question_that_was_never_sent_is_asked_again_without_looking_for_its_answer(
    connected: Shop, make_context: Callable[..., Context]
) -> None:
    reports(connected, ("A-1", "Mug"))
    run_id = begin(connected)
    elsewhere = make_context(lwa_url=connected.simulator.lwa_url, sp_api_url="http://127.0.0.1:9")

    for _ in range(step.MOST_ASKS + 1):
        due_now(connected)
        take_steps(elsewhere, run_id, Event())

    (row,) = connected.query("SELECT state, cursor FROM run")
    assert row == {"state": "running", "cursor": {"asks": 0, "unsent": step.MOST_ASKS + 1}}
    assert to_its_end(connected, run_id)["state"] == "done"
    assert connected.simulator.calls("getReports") == []


def test_a_request_that_had_no_effect_is_made_again(connected: Shop) -> None:
    reports(connected, ("A-1", "Mug"))
    connected.simulator.fault("error_before", operation="createReport", status=500)

    imported(connected)

    assert len(connected.simulator.calls("createReport")) == 2
    assert len(connected.simulator.reports(SELLER)) == 1


def test_requests_that_are_never_answered_fail_the_run(connected: Shop) -> None:
    connected.simulator.fault("error_before", operation="createReport", status=500, count="always")

    run = to_its_end(connected, begin(connected))

    assert (run["state"], run["fault"].partition(":")[0]) == ("failed", "REPORT_NOT_MADE")
    assert len(connected.simulator.calls("createReport")) == step.MOST_ASKS


@pytest.mark.requirement("R26")
def test_a_token_that_ends_while_the_report_is_made_is_renewed(connected: Shop) -> None:
    reports(connected, ("A-1", "Mug"))
    connected.simulator.set_limits(report_queue_seconds=3600)
    run_id = begin(connected)
    take_steps(connected.ctx, run_id, Event())
    connected.simulator.revoke_access_tokens(SELLER)

    run = to_its_end(connected, run_id)

    assert run["state"] == "done"
    assert listed(connected) == {"A-1": "Mug"}


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imported_listings, "PAGES_PER_BATCH", 1)
    monkeypatch.setattr(step, "LINES_AT_ONCE", 100)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("dies_at", ["merge", "mark_vanished", "keep_broken_lines", "reconsider"])
def test_a_worker_that_dies_in_the_middle_of_a_merge_leaves_nothing_half_vanished(
    connected: Shop, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    connected.simulator.set_limits(report={"columns": COLUMNS})
    connected.simulator.put_more_listings(SELLER, MARKETPLACE, count=1_000, digits=4)
    imported(connected)
    connected.simulator.put_more_listings(SELLER, MARKETPLACE, count=1_000, start=501, digits=4, title="New {sku}")
    run_id = begin(connected)
    dying = Dying(getattr(shipments if dies_at == "reconsider" else imported_listings, dies_at), after=2 if dies_at == "merge" else 0)
    with monkeypatch.context() as patched:
        patched.setattr(shipments if dies_at == "reconsider" else imported_listings, dies_at, dying)
        with pytest.raises(Dies):
            to_its_end(connected, run_id)
    vanished = {row["sku"] for row in rows(connected) if row["vanished_at"] is not None}
    assert len(vanished) == (500 if dies_at == "reconsider" else 0)

    summary = to_its_end(connected, run_id)["summary"]

    assert [summary[name] for name in ("added", "changed", "vanished")] == [500, 500, 500]
    assert listed(connected) == {f"SKU-{number:04d}": f"New SKU-{number:04d}" for number in range(501, 1_501)}


class Dying:
    """A function that is a worker's last call after some good ones."""

    def __init__(self, function: Any, after: int) -> None:
        self._function, self._left = function, after

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise Dies
        return self._function(*arguments, **named)


@pytest.mark.usefixtures("small_batches")
def test_a_worker_that_was_overtaken_writes_nothing_more(connected: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    reports(connected, ("A-1", "Mug"))
    imported(connected)
    reports(connected, ("A-2", "Cup"))
    run_id = begin(connected)
    merge = imported_listings.merge

    def overtaken(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(imported_listings, "merge", merge)
        connected.execute("UPDATE run SET claims = claims + 1")
        return merge(*arguments, **named)

    monkeypatch.setattr(imported_listings, "merge", overtaken)
    before = rows(connected)
    while imported_listings.merge is not merge:
        due_now(connected)
        take_steps(connected.ctx, run_id, Event())

    assert rows(connected) == before
    assert to_its_end(connected, run_id)["state"] == "done"
    assert listed(connected) == {"A-2": "Cup"}
