"""Senders that have nothing of ours, all forms mixed on one queue."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import dramatiq
import pika
import pytest
from cloudevents.core.bindings import rabbitmq
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from tests.end_to_end.ledger import Ledger
from tests.end_to_end.upstream import NAME, Upstream, event
from tests.eventually import eventually
from tests.worker_process import WorkerProcess

TYPE = "feedline.inventory.v1"


def data(number: int) -> dict[str, Any]:
    return {"connection": NAME, "sku": f"MUG-{number}", "quantity": number}


def attributes(id_: str) -> dict[str, Any]:
    return {"specversion": "1.0", "type": TYPE, "source": "erp", "id": id_}


def send_with_cloudevents_sdk(channel: Any) -> None:
    for number, (name, binding) in enumerate((("sdk-structured", rabbitmq.to_structured), ("sdk-binary", rabbitmq.to_binary)), 1):
        sent = binding(CloudEvent(attributes=attributes(name), data=data(number)), JSONFormat())
        properties = pika.BasicProperties(content_type=sent.content_type, headers=dict(sent.headers))
        channel.basic_publish("feedline", "inventory", sent.body, properties)


def send_with_dramatiq(amqp_url: str) -> None:
    """What a Python upstream does that has Dramatiq's broker already. The queue is ours: it must not try to declare it."""
    broker = RabbitmqBroker(url=amqp_url, confirm_delivery=True)
    broker.queues.add("feedline.inventory")
    told = {**attributes("dramatiq"), "data": data(3)}
    broker.enqueue(dramatiq.Message("feedline.inventory", "stage_inventory", (told,), {}, {}))
    broker.close()


def send_by_hand(channel: Any) -> None:
    def headers(prefix: str, id_: str) -> dict[str, Any]:
        return {f"{prefix}{name}": value for name, value in attributes(id_).items()}

    batch = b"[" + event("batch-1", data(4)) + b"," + event("batch-2", data(5)) + b"]"
    for body, content_type, given in (
        (batch, "application/cloudevents-batch+json", None),
        (json.dumps(data(6)).encode(), "application/json", headers("cloudEvents:", "amqp-binding")),
        (json.dumps(data(7)).encode(), None, headers("ce-", "rabbitmq-binding")),
        (event("untyped", data(8)), None, None),
    ):
        channel.basic_publish("feedline", "inventory", body, pika.BasicProperties(content_type=content_type, headers=given))


@pytest.mark.requirement("R114", "R118")
def test_every_form_of_a_message_is_taken_from_one_queue(
    upstream: Upstream, worker: Callable[..., WorkerProcess], simulated: Mapping[str, str], vhost: str, ledger: Ledger
) -> None:
    worker(simulated).wait_ready()
    upstream.listen()

    with upstream.channel() as channel:
        channel.confirm_delivery()
        send_with_cloudevents_sdk(channel)
        send_by_hand(channel)
    send_with_dramatiq(vhost)

    names = {"sdk-structured", "sdk-binary", "dramatiq", "batch-1", "batch-2", "amqp-binding", "rabbitmq-binding", "untyped"}
    eventually(lambda: upstream.has_heard_of(names), 30)
    assert {name: upstream.told(name)["data"]["outcome"] for name in names} == dict.fromkeys(names, "accepted")
    assert {sku: upstream.item(sku)["quantity"] for sku in (f"MUG-{number}" for number in range(1, 9))} == {
        f"MUG-{number}": number for number in range(1, 9)
    }
    assert ledger.rows("SELECT FROM rejected") == []
