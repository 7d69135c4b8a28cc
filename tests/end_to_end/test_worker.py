"""The whole worker as a process, between real RabbitMQ, real Postgres and the simulator."""

from collections.abc import Callable

import pytest

from ops.simulator.control import Simulator
from tests.end_to_end.upstream import Upstream
from tests.eventually import eventually
from tests.worker_process import WorkerProcess


@pytest.mark.requirement("R113", "R114", "R118")
def test_a_published_message_reaches_amazon_and_its_outcome_is_told(
    upstream: Upstream, worker: Callable[..., WorkerProcess], simulated: dict[str, str], fast_simulator: Simulator
) -> None:
    worker(simulated).wait_ready()
    upstream.listen()

    upstream.publish({"sku": "MUG-1", "price": "29.99", "quantity": 5}, id_="m1")

    event = eventually(lambda: upstream.told("m1"), 30)
    assert event["data"]["outcome"] == "accepted"
    assert upstream.item("MUG-1")["quantity"] == 5
