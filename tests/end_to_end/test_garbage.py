"""Garbage on the queue: every bad delivery is kept with its reason, every good one behind it goes its way."""

import base64
import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import pika
import pytest

from tests.end_to_end.garbage import GARBAGE, MIB, Garbage, floods
from tests.end_to_end.ledger import Ledger
from tests.end_to_end.shop import feedline
from tests.end_to_end.upstream import STRUCTURED, Upstream, event
from tests.eventually import eventually
from tests.worker_process import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

MOST_RESIDENT_MIB = 200


def interleaved(upstream: Upstream, garbage: Iterable[Garbage]) -> list[str]:
    """Publish each piece of *garbage* with a good message behind it; return the ids of the good ones."""
    good = []
    with upstream.channel() as channel:
        channel.confirm_delivery()
        for number, bad in enumerate(garbage, 1):
            upstream.publish_raw(channel, bad.body, bad.properties)
            good.append(f"good-{number}")
            body = event(good[-1], {"sku": f"MUG-{number}", "quantity": number})
            upstream.publish_raw(channel, body, pika.BasicProperties(content_type=STRUCTURED))
    return good


@pytest.mark.requirement("R116", "R123", "R124")
def test_garbage_is_refused_with_its_reason_and_blocks_nothing(
    upstream: Upstream, worker: StartWorker, simulated: Mapping[str, str], ledger: Ledger
) -> None:
    running = worker(simulated).wait_ready()
    upstream.listen()

    good = interleaved(upstream, GARBAGE)

    eventually(lambda: upstream.has_heard_of(good), 60)
    assert {upstream.told(each)["data"]["outcome"] for each in good} == {"accepted"}
    kept = {
        (bytes(body), code)
        for body, codes in ledger.rows("SELECT body, jsonb_path_query_array(issues, '$[*].code') FROM rejected")
        for code in codes
    }
    assert [each.what for each in GARBAGE if (each.body, each.code) not in kept] == []
    assert Counter(bytes(body) for (body,) in ledger.rows("SELECT body FROM rejected")) == Counter(each.body for each in GARBAGE)
    assert upstream.waiting() == 0
    assert running.get("/healthz")[0] == 200
    assert_calm(running)


@pytest.mark.requirement("R124")
def test_a_refused_delivery_is_shown_with_its_bytes_its_fault_and_the_remedy(
    upstream: Upstream, worker: StartWorker, simulated: Mapping[str, str], ledger: Ledger
) -> None:
    worker(simulated).wait_ready()
    with upstream.channel() as channel:
        channel.confirm_delivery()
        upstream.publish_raw(channel, b'{"price": 1,99}\0\xff', pika.BasicProperties(content_type=STRUCTURED))
    eventually(lambda: ledger.rows("SELECT FROM rejected"), 20)

    [listed] = [json.loads(line) for line in feedline(simulated, "rejected", "list", "--json").splitlines()]
    shown = json.loads(feedline(simulated, "rejected", "show", str(listed["id"]), "--json"))

    assert base64.b64decode(shown["body_base64"]) == b'{"price": 1,99}\0\xff'
    assert [issue["code"] for issue in shown["issues"]] == ["NOT_UTF8", "NOT_JSON"]
    assert all(issue["remedy"] for issue in shown["issues"])


@pytest.mark.requirement("R124")
def test_a_flood_of_huge_bodies_does_not_fill_the_memory(
    upstream: Upstream, worker: StartWorker, simulated: Mapping[str, str], ledger: Ledger
) -> None:
    running = worker(simulated).wait_ready()
    upstream.listen()

    good = interleaved(upstream, floods(50))

    eventually(lambda: upstream.has_heard_of(good), 60)
    assert ledger.rows("SELECT count(*) FROM rejected") == [(50,)]
    assert max(resident_mib(running)) < MOST_RESIDENT_MIB
    assert_calm(running)


def test_garbage_among_the_wake_ups_stops_nothing(upstream: Upstream, worker: StartWorker, simulated: Mapping[str, str]) -> None:
    running = worker(simulated).wait_ready()
    upstream.listen()
    with upstream.channel() as channel:
        channel.confirm_delivery()
        for body in (b"", b"{", b"{}", b"[]", b"1", b'{"actor_name": "submit_feed"}', b"\xff"):
            channel.basic_publish("", "feedline.work", body)

    upstream.publish({"sku": "MUG-1", "quantity": 5}, id_="good")

    assert eventually(lambda: upstream.told("good"), 30)["data"]["outcome"] == "accepted"
    assert running.get("/healthz")[0] == 200


def assert_calm(running: WorkerProcess) -> None:
    """No traceback, no line that a library printed past the log, nothing that a person must look at."""
    assert [line for line in running.logs() if line["event"] == "not_json" or "raised_in" in line or line["level"] == "error"] == []


def resident_mib(running: WorkerProcess) -> list[float]:
    """Return the resident memory of each of the worker's processes."""
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,rss="], capture_output=True, text=True, check=True).stdout
    return [int(rss) * 1024 / MIB for pgid, rss in map(str.split, listed.splitlines()) if int(pgid) == running.pid]
