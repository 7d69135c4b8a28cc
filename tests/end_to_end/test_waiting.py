"""Work that waits for a person: a paused connection, an authorisation that is gone."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ops.simulator.control import Simulator
from tests.end_to_end.shop import connect, feedline
from tests.end_to_end.upstream import NAME, Upstream
from tests.eventually import eventually
from tests.worker_process import WorkerProcess

StartWorker = Callable[..., WorkerProcess]


def trace(settings: Mapping[str, str], message: str) -> Any:
    return json.loads(feedline(settings, "trace", message, "--json"))


def is_held(settings: Mapping[str, str], message: str, reason: str) -> bool:
    found = trace(settings, message)
    return bool(found["outcome"] == "held" and found["reason"] == reason)


@pytest.mark.requirement("R15", "R16")
def test_the_work_of_a_paused_connection_waits_and_goes_when_it_is_resumed(
    upstream: Upstream, worker: StartWorker, simulated: Mapping[str, str], fast_simulator: Simulator
) -> None:
    worker(simulated).wait_ready()
    upstream.listen()
    feedline(simulated, "connection", "pause", NAME)

    upstream.publish({"sku": "MUG-1", "quantity": 5}, id_="m1")

    eventually(lambda: is_held(simulated, "m1", "connection_paused"), 20)
    assert fast_simulator.feeds() == []
    feedline(simulated, "connection", "resume", NAME)
    assert eventually(lambda: upstream.told("m1"), 30)["data"]["outcome"] == "accepted"


@pytest.mark.requirement("R12", "R15")
def test_the_work_of_a_seller_who_withdrew_waits_until_a_new_token_is_applied(
    upstream: Upstream, worker: StartWorker, simulated: Mapping[str, str], fast_simulator: Simulator, tmp_path: Path
) -> None:
    running = worker(simulated).wait_ready()
    upstream.listen()
    revoked = fast_simulator.fault("refresh_revoked", count="always")

    upstream.publish({"sku": "MUG-1", "quantity": 5}, id_="m1")

    eventually(lambda: is_held(simulated, "m1", "not_authorized"), 30)
    eventually(lambda: authorization_ok(running) == 0, 10)
    status = json.loads(feedline(simulated, "status", "--json"))["connections"][0]
    assert status["authorized"] is False
    assert "Authorise the application again" in status["authorization_fault"]
    assert running.is_ready(), "one seller's matter is not the worker's"

    fast_simulator.clear_faults(revoked)
    connect(simulated, fast_simulator, tmp_path, refresh_token="Atzr|a-new-one")

    assert eventually(lambda: upstream.told("m1"), 30)["data"]["outcome"] == "accepted"
    eventually(lambda: authorization_ok(running) == 1, 10)


def authorization_ok(running: WorkerProcess) -> float:
    found = re.search(rf'^feedline_authorization_ok{{connection="{NAME}"}} (\S+)', running.get("/metrics")[1], re.MULTILINE)
    assert found is not None
    return float(found[1])
