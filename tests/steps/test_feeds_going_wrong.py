"""Feeds that go wrong at Amazon or on the way: no message is lost, none sent twice, none rejected for another's fault."""

import json
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from tests.eventually import eventually
from tests.steps.parcels import ORDER, OTHER_ORDER, amazon_has, line, packages, parcel, ship
from tests.steps.shop import NAME, SELLER, Shop
from worker.core.ids import FeedId
from worker.core.kinds import Kind
from worker.core.states import FeedState
from worker.steps import cut, reconcile, settle, submit
from worker.store import connections

SKUS = ("A", "B", "C", "D")
THROTTLED = 429


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    """A shop with four listings at Amazon."""
    shop.connect()
    shop.lists(*SKUS)
    return shop


def publish_all(shop: Shop, quantity: int = 5) -> list[str]:
    return shop.publish(*({"sku": sku, "quantity": quantity} for sku in SKUS))


def quantities(shop: Shop) -> list[int]:
    return [shop.at_amazon(sku)["quantity"] for sku in SKUS]


def created(shop: Shop) -> int:
    """How many feeds Amazon has."""
    return len(shop.simulator.feeds())


# --- Amazon ends a feed badly ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "feed_fatal"},
        {"kind": "feed_fatal", "apply": "some", "report": True},
        {"kind": "feed_cancelled"},
        {"kind": "feed_level_issue"},
        {"kind": "counters_off"},
        {"kind": "issue_for_unknown_message"},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_a_feed_that_ends_badly_once_rejects_nobody(stocked: Shop, fault: dict[str, Any]) -> None:
    stocked.simulator.fault(**fault)

    sent = publish_all(stocked)
    stocked.run()

    assert stocked.words(*sent) == ["accepted"] * 4
    assert quantities(stocked) == [5] * 4


@pytest.mark.parametrize("kind", ["feed_fatal", "feed_level_issue", "counters_off", "no_result_document"])
def test_a_lone_message_is_not_rejected_for_one_feed_that_ends_badly(stocked: Shop, kind: str) -> None:
    stocked.simulator.fault(kind)

    (sent,) = stocked.publish({"sku": "A", "quantity": 5})
    stocked.run_until(lambda: stocked.words(sent) != ["None"], meanwhile=stocked.hurry)

    assert stocked.words(sent) == ["accepted"]
    assert stocked.at_amazon("A")["quantity"] == 5


def test_a_cancelled_feed_goes_again_whole(stocked: Shop) -> None:
    stocked.simulator.fault("feed_cancelled")

    publish_all(stocked)
    stocked.run()

    assert [(feed["state"], feed["messages"]) for feed in stocked.feeds()] == [("cancelled", 4), ("settled", 4)]


def test_halving_goes_on_until_the_culprit_is_alone_and_only_it_is_rejected(stocked: Shop) -> None:
    # Four, then the half with the culprit, then the culprit alone: those three feeds, and no other, end FATAL.
    for skip in (0, 0, 1):
        stocked.simulator.fault("feed_fatal", skip=skip)

    sent = publish_all(stocked)
    stocked.run()

    sizes = [(feed["state"], feed["messages"]) for feed in stocked.feeds()]
    assert sizes == [("fatal", 4), ("fatal", 2), ("settled", 2), ("fatal", 1), ("settled", 1)]
    words = stocked.words(*sent)
    assert sorted(words) == ["accepted", "accepted", "accepted", "rejected"]
    culprit = stocked.outcomes()[sent[words.index("rejected")]]
    assert [issue["code"] for issue in culprit["issues"]] == ["UNDECIDED_ALONE"]


def test_a_newer_value_replaces_an_undecided_one_before_it_goes_again(stocked: Shop) -> None:
    stocked.simulator.fault("feed_stuck_in_progress")
    stocked.simulator.fault("feed_fatal")
    old = publish_all(stocked, 5)
    stocked.run_until(lambda: "in_progress" in stocked.states())

    new = publish_all(stocked, 6)
    stocked.simulator.release_feed(SELLER, stocked.feeds()[0]["amazon_feed_id"])
    stocked.run()

    assert stocked.words(*old, *new) == ["superseded"] * 4 + ["accepted"] * 4
    assert quantities(stocked) == [6] * 4


def test_after_feed_upon_feed_has_failed_the_rest_is_held_and_nothing_is_rejected_with_it(stocked: Shop) -> None:
    stocked.simulator.fault("feed_cancelled", count="always")

    sent = publish_all(stocked)
    stocked.run_until(lambda: stocked.key("A")["state"] == "held", meanwhile=stocked.hurry)

    assert created(stocked) == 2 * 2 + 4
    assert stocked.words(*sent) == ["None"] * 4
    assert [(row["state"], row["hold_reason"]) for row in stocked.query("SELECT state, hold_reason FROM key_state")] == [
        ("held", "feeds_failing")
    ] * 4


def test_no_more_feeds_fail_in_a_row_than_the_halving_may_need_though_several_are_under_way(shop: Shop) -> None:
    skus = tuple("ABCDEFGH")
    shop.connect()
    shop.lists(*skus)
    shop.simulator.fault("feed_fatal", count="always")
    sent = shop.publish(*({"sku": sku, "quantity": 5} for sku in skus))
    (connection,) = shop.query("SELECT id FROM connection")
    shop.hands.link(connection["id"])

    def cut_one() -> FeedId | None:
        shop.hurry()
        return cut.cut(shop.ctx, connection["id"], Kind.LISTINGS)

    rounds = []
    while feed_ids := list(iter(cut_one, None)):
        rounds.append(len(feed_ids))
        for feed_id in feed_ids:
            eventually(lambda feed_id=feed_id: shop.has_ended(feed_id))  # type: ignore[misc]

    assert rounds == [1, 2, 4, 3]
    assert [feed["messages"] for feed in shop.feeds()] == [8, 4, 4, 2, 2, 2, 2, 1, 1, 1], "2 * log2(8) + 4 feeds, lone culprits counted"
    assert sorted(shop.words(*sent)) == ["None"] * 5 + ["rejected"] * 3
    assert [row["hold_reason"] for row in shop.query("SELECT hold_reason FROM key_state WHERE state = 'held'")] == ["feeds_failing"] * 5
    shop.lists("I")
    (another,) = shop.publish({"sku": "I", "quantity": 5})
    shop.simulator.clear_faults()
    shop.run()
    assert shop.words(another) == ["accepted"], "what is held keeps back nothing else"


@pytest.mark.requirement("R62")
def test_what_is_out_of_stock_does_not_wait_for_the_end_of_the_halving(stocked: Shop) -> None:
    stocked.lists("OUT")
    stocked.simulator.fault("feed_fatal")
    (connection,) = stocked.query("SELECT id FROM connection")

    def send_one_feed() -> list[str]:
        stocked.hands.link(connection["id"])
        feed_id = cut.cut(stocked.ctx, connection["id"], Kind.LISTINGS)
        assert feed_id is not None
        eventually(lambda: stocked.has_ended(feed_id))
        return [row["key"] for row in stocked.query(f"SELECT key FROM feed_message WHERE feed_id = {feed_id} ORDER BY message_id")]

    publish_all(stocked)
    sent = [send_one_feed()]
    stocked.publish({"sku": "OUT", "quantity": 0})
    sent += [send_one_feed() for _ in range(3)]

    assert sent == [["A", "B", "C", "D"], ["A", "B"], ["OUT"], ["C", "D"]]


def test_a_report_that_does_not_come_leaves_its_feed_undecided(stocked: Shop) -> None:
    stocked.simulator.fault("no_result_document")

    sent = publish_all(stocked)
    stocked.run_until(lambda: "None" not in stocked.words(*sent), meanwhile=stocked.hurry)

    assert stocked.words(*sent) == ["accepted"] * 4
    assert [feed["undecided"] for feed in stocked.feeds()] == [4, 0, 0]


@pytest.mark.parametrize("body", ["length", "gzip", "json"])
def test_a_truncated_report_decides_nothing_and_is_read_again(stocked: Shop, body: str) -> None:
    stocked.simulator.fault("download_truncated", body=body, operation="downloadDocument")

    sent = publish_all(stocked)
    stocked.run()

    assert stocked.words(*sent) == ["accepted"] * 4
    assert created(stocked) == 1


# --- the answer to createFeed is lost ----------------------------------------------------------------------------------------


@pytest.mark.requirement("R120")
@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
def test_a_lost_answer_is_found_at_amazon_and_the_feed_not_sent_twice(stocked: Shop, kind: str) -> None:
    stocked.simulator.fault(kind, operation="createFeed")

    sent = publish_all(stocked)
    stocked.run()

    assert stocked.words(*sent) == ["accepted"] * 4
    assert created(stocked) == 1
    assert stocked.simulator.calls("getFeeds") != []


def test_a_feed_that_was_made_during_the_lost_call_needs_no_proof(stocked: Shop) -> None:
    stocked.simulator.fault("drop_after", operation="createFeed")
    stocked.simulator.fault("items_left_out")

    sent = publish_all(stocked)
    stocked.run()

    assert stocked.words(*sent) == ["accepted"] * 4
    assert created(stocked) == 1


@pytest.mark.parametrize("kind", ["drop_before", "error_before"])
def test_a_feed_that_amazon_never_got_is_sent_again_once(stocked: Shop, kind: str) -> None:
    stocked.simulator.fault(kind, operation="createFeed")

    sent = publish_all(stocked)
    stocked.run()

    assert stocked.words(*sent) == ["accepted"] * 4
    assert created(stocked) == 1
    assert len(stocked.feeds()) == 1


def test_while_an_answer_is_missing_nothing_more_is_cut(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(feed_poll_seconds=3600)
    shop.connect()
    shop.lists(*SKUS)
    shop.simulator.fault("drop_after", operation="createFeed")
    shop.publish({"sku": "A", "quantity": 1})
    shop.run_until(lambda: shop.feeds() and shop.feeds()[0]["unclear_since"])

    shop.publish({"sku": "B", "quantity": 1})
    shop.run_until(lambda: shop.key("B")["linked"])
    shop.run_until(lambda: True)

    assert shop.states() == ["submitting"]
    assert shop.key("B")["state"] == "ready"


def test_somebody_elses_feed_that_was_taken_for_ours_decides_nothing(stocked: Shop) -> None:
    stocked.simulator.fault("drop_before", operation="createFeed", skip=1)
    # Another application's feed of our type, of as many messages, sent while ours was lost.
    (theirs,) = stocked.publish({"sku": "A", "quantity": 1})
    stocked.run()
    stranger = stocked.feeds()[0]["amazon_feed_id"]
    stocked.execute("UPDATE feed SET amazon_feed_id = 'forgotten'")

    (ours,) = stocked.publish({"sku": "B", "quantity": 7})
    stocked.run()

    assert stocked.words(theirs, ours) == ["accepted", "accepted"]
    assert [(feed["amazon_feed_id"] == stranger, feed["undecided"]) for feed in stocked.feeds()] == [(False, 0), (True, 1), (False, 0)]
    assert stocked.at_amazon("B")["quantity"] == 7


def test_reports_of_other_applications_that_may_not_be_read_do_not_keep_a_lost_feed_from_being_sent_again(stocked: Shop) -> None:
    stocked.simulator.fault("drop_before", operation="createFeed", skip=2)
    for sku in ("A", "B"):
        stocked.publish({"sku": sku, "quantity": 1})
        stocked.run()
    # Two feeds of another application, as far as we know.
    stocked.execute("UPDATE feed SET amazon_feed_id = 'forgotten' || id")
    gone = stocked.simulator.fault("document_gone", count="always")

    (ours,) = stocked.publish({"sku": "C", "quantity": 7})
    stocked.run_until(lambda: created(stocked) == 3)
    stocked.simulator.clear_faults(gone)
    stocked.run()

    assert stocked.words(ours) == ["accepted"]
    assert stocked.at_amazon("C")["quantity"] == 7


def test_the_feed_of_a_call_that_is_under_way_is_not_taken_for_the_one_whose_answer_was_lost(open_shop: Callable[..., Shop]) -> None:
    shop, other = open_shop(), open_shop()
    shop.connect()
    amazon_has(shop, ORDER, A=1)
    amazon_has(shop, OTHER_ORDER, A=1)
    shop.simulator.fault("drop_before", operation="createFeed")
    (lost,) = ship(shop, parcel("T1", line()))
    shop.run_until(lambda: shop.states() == ["cut"])
    (slow,) = ship(shop, parcel("T2", line(), order=OTHER_ORDER))
    shop.hands.cut(shop.feeds()[0]["connection_id"], Kind.SHIPMENTS)
    first, second = (FeedId(feed["id"]) for feed in shop.feeds())
    submit.submit(shop.ctx, first)
    # Amazon has made the second feed, and takes its time to say so: to the first one's look it is a stranger.
    shop.simulator.fault("slow_after", operation="createFeed", seconds=3)
    waiting = Thread(target=submit.submit, args=(other.ctx, second))
    waiting.start()
    eventually(lambda: created(shop) == 1)

    shop.execute("UPDATE feed SET due_at = now(), unclear_since = unclear_since - interval '1 hour' WHERE unclear_since IS NOT NULL")
    reconcile.reconcile(shop.ctx, first)
    looked_while_waiting = waiting.is_alive()
    waiting.join(timeout=20)
    shop.run()

    assert looked_while_waiting
    assert shop.words(lost, slow) == ["accepted", "accepted"]
    assert [len(packages(shop, order)) for order in (ORDER, OTHER_ORDER)] == [1, 1]


@pytest.mark.parametrize("status", [400, 500])
def test_a_sku_about_which_amazon_cannot_be_asked_holds_up_no_other(stocked: Shop, status: int) -> None:
    stocked.lists("A,B")  # is asked for alone
    fault = stocked.simulator.fault("error_before", operation="getListingsItem", status=status, count="always")
    (odd,) = stocked.publish({"sku": "A,B", "quantity": 5})
    sent = publish_all(stocked)
    stocked.run_until(lambda: "None" not in stocked.words(*sent))
    meanwhile = stocked.words(odd)
    calls = len(stocked.simulator.calls("getListingsItem"))
    stocked.run_until(lambda: True, meanwhile=stocked.hurry)
    calls_while_put_off = len(stocked.simulator.calls("getListingsItem")) - calls

    stocked.simulator.clear_faults(fault)
    stocked.execute("UPDATE key_state SET link_after = NULL")
    stocked.run_until(lambda: stocked.words(odd) != ["None"], meanwhile=stocked.hurry)

    assert meanwhile == ["None"]
    assert calls_while_put_off == 0
    assert stocked.words(odd, *sent) == ["accepted"] * 5


# --- quota and authorisation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["createFeedDocument", "createFeed", "getFeed", "getFeedDocument", "searchListingsItems"])
def test_a_call_that_is_throttled_is_made_later(stocked: Shop, operation: str) -> None:
    stocked.simulator.fault("throttle", operation=operation)

    sent = publish_all(stocked)
    stocked.run_until(lambda: [call for call in stocked.simulator.calls(operation) if call["status"] == THROTTLED])
    for _ in range(3):
        stocked.run_until(lambda: True)
    calls_meanwhile = len(stocked.simulator.calls(operation))
    stocked.hurry()
    stocked.run()

    assert calls_meanwhile == 1
    assert stocked.words(*sent) == ["accepted"] * 4
    assert created(stocked) == 1


def test_the_search_goes_on_where_the_usage_plan_leaves_one_report_at_a_time(stocked: Shop) -> None:
    stocked.simulator.set_limits(show_rate_header=False)
    stocked.simulator.fault("drop_before", operation="createFeed", skip=2)
    for sku in ("A", "B"):  # two feeds of another application
        stocked.publish({"sku": sku, "quantity": 1})
        stocked.run()
    stocked.execute("UPDATE feed SET amazon_feed_id = 'forgotten ' || id")
    stocked.publish({"sku": "C", "quantity": 7})
    stocked.run_until(lambda: stocked.states()[2:] == ["submitting"] and stocked.feeds()[2]["unclear_since"])
    read_before = len(stocked.simulator.calls("getFeedDocument"))

    for _ in range(2):
        stocked.execute("UPDATE feed SET looks = 1, due_at = now() WHERE state = 'submitting'")
        stocked.execute("UPDATE quota SET tokens = 1 WHERE operation = 'getFeedDocument'")
        reconcile.reconcile(stocked.ctx, FeedId(stocked.feeds()[2]["id"]))

    assert stocked.states() == ["settled", "settled", "uploaded"]
    assert len(stocked.simulator.calls("getFeedDocument")) == read_before + 2


def test_the_search_does_not_wait_for_what_others_send_long_after(stocked: Shop) -> None:
    stocked.simulator.fault("feed_stuck_in_progress", count=2)
    stocked.simulator.fault("drop_before", operation="createFeed")
    stocked.publish({"sku": "A", "quantity": 1})
    stocked.run_until(lambda: stocked.states() == ["submitting"] and stocked.feeds()[0]["unclear_since"])
    stocked.execute("UPDATE feed SET looks = 1, due_at = now(), unclear_since = unclear_since - interval '1 hour'")
    send_beside_feedline(stocked, "B")
    send_beside_feedline(stocked, "C")

    reconcile.reconcile(stocked.ctx, FeedId(stocked.feeds()[0]["id"]))

    assert stocked.states() == ["uploaded"]


def send_beside_feedline(shop: Shop, sku: str) -> None:
    """Send a listings feed as another application of the seller does."""
    with shop.ctx.database.begin() as tx:
        seller = connections.by_name(tx, NAME).seller
    message = {"messageId": 1, "sku": sku, "operationType": "DELETE"}
    feed = {"header": {"sellerId": SELLER, "version": "2.0"}, "messages": [message]}
    document = shop.ctx.amazon.create_feed_document(seller, "application/json; charset=UTF-8")
    shop.ctx.amazon.upload(document.url, json.dumps(feed).encode(), "application/json; charset=UTF-8")
    shop.ctx.amazon.create_feed(seller, "JSON_LISTINGS_FEED", document.feed_document_id)


def test_behind_a_feed_that_waits_for_the_usage_plan_no_other_is_cut(stocked: Shop) -> None:
    stocked.simulator.fault("throttle", operation="createFeed")
    stocked.publish({"sku": "A", "quantity": 1})
    stocked.run_until(lambda: stocked.states() == ["uploaded"])
    stocked.publish({"sku": "B", "quantity": 1})
    stocked.run_until(lambda: stocked.key("B")["linked"])
    stocked.execute("UPDATE quota SET waiting_until = NULL, tokens = burst, recent = '{}'")

    no_feed = cut.cut(stocked.ctx, stocked.feeds()[0]["connection_id"], Kind.LISTINGS)
    stocked.hurry()
    stocked.run()

    assert no_feed is None
    assert [feed["messages"] for feed in stocked.feeds()] == [1, 1]
    assert [call["status"] for call in stocked.simulator.calls("createFeed")] == [THROTTLED, 202, 202]


@pytest.mark.requirement("R13")
def test_an_access_token_that_expires_early_is_renewed_and_the_call_repeated(stocked: Shop) -> None:
    stocked.simulator.fault("token_expired", operation="createFeed")

    sent = publish_all(stocked)
    stocked.run()

    assert stocked.words(*sent) == ["accepted"] * 4
    assert created(stocked) == 1


@pytest.mark.requirement("R13")
def test_a_feed_goes_on_at_once_when_a_lost_authorisation_is_back(stocked: Shop) -> None:
    stocked.simulator.fault("feed_stuck_in_progress")
    (sent,) = stocked.publish({"sku": "A", "quantity": 5})
    stocked.run_until(lambda: stocked.states() == ["in_progress"])
    revoked = stocked.simulator.fault("refresh_revoked", count="always")
    stocked.simulator.revoke_access_tokens(SELLER)
    stocked.run_until(lambda: stocked.query("SELECT FROM feed WHERE due_at > now() + interval '40 seconds'"))

    stocked.simulator.release_feed(SELLER, stocked.feeds()[0]["amazon_feed_id"])
    stocked.simulator.clear_faults(revoked)
    stocked.connect()
    stocked.run()

    assert stocked.words(sent) == ["accepted"]


@pytest.mark.parametrize("operation", ["createFeedDocument", "createFeed", "getFeed", "getFeedDocument"])
def test_a_missing_role_makes_feeds_wait_and_rejects_nobody(stocked: Shop, operation: str) -> None:
    fault = stocked.simulator.fault("role_missing", operation=operation, count="always")
    (sent,) = stocked.publish({"sku": "A", "quantity": 5})
    stocked.run_until(lambda: len(stocked.simulator.calls(operation)) >= 2, meanwhile=stocked.hurry)
    meanwhile = (stocked.words(sent), len(stocked.feeds()))

    stocked.simulator.clear_faults(fault)
    stocked.run_until(lambda: stocked.words(sent) != ["None"], meanwhile=stocked.hurry)

    assert meanwhile == (["None"], 1)
    assert stocked.words(sent) == ["accepted"]
    assert created(stocked) == 1


# --- workers that die, sleep or race -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["cut", "in_queue", "done"])
def test_a_feed_whose_worker_died_between_two_steps_is_taken_up_by_another(stocked: Shop, state: str) -> None:
    sent = publish_all(stocked)
    stocked.run_until(lambda: state in stocked.states())

    stocked.execute("UPDATE feed SET claimed_until = now() + interval '45 seconds'")
    stocked.run_until(lambda: True)
    while_claimed = stocked.states()
    stocked.claims_end()
    stocked.run()

    assert while_claimed == [state]
    assert stocked.words(*sent) == ["accepted"] * 4
    assert created(stocked) == 1


def test_a_feed_whose_worker_died_while_it_called_createfeed_is_looked_for_first(stocked: Shop) -> None:
    sent = publish_all(stocked)
    stocked.run_until(lambda: "in_queue" in stocked.states())
    stocked.execute("UPDATE feed SET state = 'submitting', amazon_feed_id = NULL, claimed_until = now() - interval '1 second'")

    stocked.run()

    assert stocked.words(*sent) == ["accepted"] * 4
    assert created(stocked) == 1


def test_a_worker_that_slept_through_its_claim_does_not_send_the_feed_a_second_time(open_shop: Callable[..., Shop]) -> None:
    sleeper, other = open_shop(), open_shop()
    sleeper.connect()
    sleeper.lists(*SKUS)
    sent = publish_all(sleeper)
    sleeper.run_until(lambda: sleeper.states() == ["cut"])
    sleeper.simulator.fault("slow", operation="uploadDocument", seconds=3)
    feed_id = FeedId(sleeper.feeds()[0]["id"])
    asleep = Thread(target=submit.submit, args=(sleeper.ctx, feed_id))
    asleep.start()
    eventually(lambda: sleeper.simulator.call("GET", "/faults")[0]["struck"])

    other.run_until(lambda: other.states() == ["settled"], meanwhile=other.claims_end)
    woke_after_all = asleep.is_alive()
    asleep.join(timeout=20)

    assert woke_after_all
    assert created(other) == 1
    assert other.words(*sent) == ["accepted"] * 4
    assert other.states() == ["settled"]


def test_a_worker_that_slept_while_another_settled_its_feed_writes_nothing(open_shop: Callable[..., Shop]) -> None:
    sleeper, other = open_shop(), open_shop()
    sleeper.connect()
    sleeper.lists(*SKUS)
    sent = publish_all(sleeper)
    sleeper.run_until(lambda: sleeper.states() == ["done"])
    sleeper.simulator.fault("slow", operation="downloadDocument", seconds=3)
    failures: list[BaseException] = []

    def settle_slowly() -> None:
        try:
            settle.settle(sleeper.ctx, FeedId(sleeper.feeds()[0]["id"]))
        except BaseException as error:  # a thread's exception would be lost
            failures.append(error)
            raise

    asleep = Thread(target=settle_slowly)
    asleep.start()
    eventually(lambda: sleeper.simulator.call("GET", "/faults")[0]["struck"])
    other.run_until(lambda: other.states() == ["settled"], meanwhile=other.claims_end)
    (newer,) = other.publish({"id": "newer", "sku": "A", "quantity": 6})
    asleep.join(timeout=20)
    other.run()

    assert failures == []
    assert other.words(*sent, newer) == ["accepted"] * 5
    assert other.at_amazon("A")["quantity"] == 6


@pytest.mark.requirement("R120")
def test_two_workers_that_cut_one_lane_never_take_the_same_sku(open_shop: Callable[..., Shop]) -> None:
    workers = [open_shop(feed_max_messages=7), open_shop(feed_max_messages=7)]
    shop = workers[0]
    shop.connect()
    skus = [f"S{number}" for number in range(40)]
    shop.lists(*skus)
    shop.publish(*({"sku": sku, "quantity": 1} for sku in skus))
    (connection,) = shop.query("SELECT id FROM connection")
    shop.hands.link(connection["id"])

    threads = [
        Thread(target=lambda worker=worker: [worker.hands.cut(connection["id"], Kind.LISTINGS) for _ in range(6)]) for worker in workers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    carried = [row["key"] for row in shop.query("SELECT key FROM feed_message")]
    assert len(carried) == len(set(carried)) > 0
    assert {row["state"] for row in shop.query("SELECT DISTINCT state FROM feed")} == {FeedState.CUT.value}
    in_feeds = shop.query("SELECT key FROM key_state WHERE state = 'in_feed'")
    assert sorted(row["key"] for row in in_feeds) == sorted(carried)
