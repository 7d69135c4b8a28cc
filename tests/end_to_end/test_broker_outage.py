"""RabbitMQ goes away under a running worker, and comes back."""

from collections.abc import Callable, Mapping

import pytest

from ops.services import RabbitMQServer
from tests.end_to_end.ledger import Ledger
from tests.end_to_end.upstream import Upstream
from tests.eventually import eventually
from tests.worker_process import WorkerProcess

PROMISED_SECONDS = 10


@pytest.fixture
def vhost(private_rabbitmq: RabbitMQServer) -> str:
    """A server of this test's own, in place of the session's."""
    return private_rabbitmq.url


@pytest.mark.requirement("R113", "R116", "R123")
def test_a_worker_outlives_rabbitmq_and_takes_up_its_queues_again(
    upstream: Upstream,
    worker: Callable[..., WorkerProcess],
    simulated: Mapping[str, str],
    private_rabbitmq: RabbitMQServer,
    ledger: Ledger,
) -> None:
    running = worker(simulated).wait_ready()
    upstream.listen()
    messages = 0
    for go_away in (private_rabbitmq.stop, private_rabbitmq.kill):
        upstream.publish(*({"sku": f"MUG-{number}", "quantity": messages} for number in range(1, 101)), source=f"before {go_away.__name__}")
        messages += 100

        go_away()
        eventually(lambda: not running.is_ready(), PROMISED_SECONDS)
        assert running.get("/healthz")[0] == 200, "an outage is no reason to be killed"
        private_rabbitmq.start()

        eventually(running.is_ready, 30)
        eventually(lambda: ledger.is_drained(messages), 60)  # noqa: B023  # called in this round
    upstream.publish({"sku": "MUG-1", "quantity": 777}, id_="last")
    assert eventually(lambda: upstream.told("last"), 30)["data"]["outcome"] == "accepted"
    assert running.exit_code is None, "it is the same process"
    assert [line for line in running.logs() if line.get("level") in {"error", "critical"}] == []
    assert [line["queue"] for line in running.logged("consumer_waits_for_rabbitmq")].count("feedline.inventory") == 2, "once an outage"
    told = upstream.all_told()
    assert len(told) == 101
    assert {len({each["id"] for each in told[f"m{number}"]}) for number in range(1, 101)} == {2}, "one event a message, of two sources"
