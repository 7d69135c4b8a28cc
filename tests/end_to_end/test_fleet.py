"""Several workers at once: one leads, quotas and tokens are shared."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ops.simulator.control import Simulator
from tests.end_to_end.ledger import Ledger
from tests.end_to_end.shop import connect, stock
from tests.end_to_end.upstream import SELLER, Upstream, event
from tests.eventually import eventually
from tests.worker_process import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

SECOND_SELLER = "A2EXAMPLESELLER"
SECOND_NAME = "Second US shop"
TAKEOVER_SECONDS = 10


def leads(group: WorkerProcess) -> bool:
    found = re.search(r"^feedline_leader (\d+)", group.get("/metrics")[1], re.MULTILINE)
    return found is not None and float(found[1]) == 1


@pytest.mark.requirement("R113", "R120")
def test_another_worker_takes_over_from_a_killed_leader(
    upstream: Upstream, worker: StartWorker, simulated: Mapping[str, str], ledger: Ledger
) -> None:
    groups = [worker(simulated).wait_ready(), worker(simulated).wait_ready()]
    upstream.listen()
    eventually(lambda: any(map(leads, groups)))
    assert [leads(group) for group in groups].count(True) == 1
    [leader], [other] = [each for each in groups if leads(each)], [each for each in groups if not leads(each)]

    leader.kill9()

    eventually(lambda: leads(other), TAKEOVER_SECONDS)
    ledger.let_claims_run_out()
    upstream.publish({"sku": "MUG-1", "quantity": 7}, id_="m1")
    assert eventually(lambda: upstream.told("m1"), 30)["data"]["outcome"] == "accepted"


@pytest.mark.requirement("R14", "R120")
def test_four_processes_keep_to_each_sellers_quota_and_renew_each_token_once(
    upstream: Upstream, worker: StartWorker, simulated: Mapping[str, str], fast_simulator: Simulator, ledger: Ledger, tmp_path: Path
) -> None:
    connect(simulated, fast_simulator, tmp_path, name=SECOND_NAME, seller=SECOND_SELLER)
    stock(fast_simulator, SECOND_SELLER)
    groups = [worker(simulated, "--processes", "2", "--threads", "4") for _ in range(2)]
    for group in groups:
        group.wait_ready()
    rounds, skus = 6, 50

    for number in range(1, rounds + 1):
        upstream.publish_many(
            event(f"{name}-{sku}-{number}", {"connection": name, "sku": f"MUG-{sku}", "quantity": number}, sequence=number)
            for name in ("US shop", SECOND_NAME)
            for sku in range(1, skus + 1)
        )
        eventually(lambda number=number: ledger.staged() == number * skus * 2, 30)  # type: ignore[misc]
    eventually(lambda: ledger.is_drained(rounds * skus * 2), 60)

    for seller in (SELLER, SECOND_SELLER):
        assert {upstream.catalogue(seller)[f"MUG-{sku}"]["quantity"] for sku in range(1, skus + 1)} == {rounds}
        assert [call["status"] for call in fast_simulator.calls("token", seller=seller)] == [200]
        assert {call["status"] for call in fast_simulator.calls(seller=seller)} <= {200, 201, 202}
    assert [leads(group) for group in groups].count(True) == 1
