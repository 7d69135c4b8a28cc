"""The consumer of an ingest queue on a real RabbitMQ."""

from collections.abc import Iterator

import pika
import pytest
from dramatiq.errors import ConnectionClosed
from pika.adapters.blocking_connection import BlockingConnection

from tests.eventually import eventually
from worker.broker import topology
from worker.broker.consumer import BatchConsumer, BatchMessage
from worker.clock import Clock

SIZE = 3


class Queue:
    """A queue with its consumer, which nobody else turns."""

    def __init__(self, url: str) -> None:
        self._upstream = BlockingConnection(pika.URLParameters(url))
        topology.declare(self._upstream)
        self._channel = self._upstream.channel()
        self._channel.confirm_delivery()
        self.consumer = BatchConsumer(
            [pika.URLParameters(url)],
            topology.INVENTORY,
            "stage_inventory",
            size=SIZE,
            linger_seconds=0.01,
            idle_seconds=0.05,
            clock=Clock(),
        )

    def publish(self, *bodies: bytes) -> None:
        for body in bodies:
            self._channel.basic_publish(topology.EXCHANGE, "inventory.x", body)

    def take(self) -> BatchMessage:
        taken = eventually(lambda: next(self.consumer))
        assert taken is not None
        return taken

    def delete(self) -> None:
        self._channel.queue_delete(topology.INVENTORY)

    def close(self) -> None:
        self.consumer.close()
        self._upstream.close()


def bodies(message: BatchMessage) -> list[bytes]:
    return [delivery.body for delivery in message.batch.deliveries]


@pytest.fixture
def queue(vhost: str) -> Iterator[Queue]:
    opened = Queue(vhost)
    yield opened
    opened.close()


def test_what_comes_later_waits_until_what_came_before_is_committed(queue: Queue) -> None:
    queue.publish(b"1")
    first = queue.take()
    queue.publish(b"2")

    assert [next(queue.consumer) for _ in range(5)] == [None] * 5
    first.batch.committed = True
    queue.consumer.ack(first)

    assert (bodies(first), bodies(queue.take())) == ([b"1"], [b"2"])


def test_full_batches_wait_for_nobody(queue: Queue) -> None:
    queue.publish(b"1")
    first = queue.take()

    queue.publish(*[b"2"] * SIZE)

    assert (bodies(first), bodies(queue.take())) == ([b"1"], [b"2"] * SIZE)


def test_a_queue_that_is_deleted_ends_its_consumer(queue: Queue) -> None:
    queue.publish(b"1")
    taken = queue.take()

    queue.delete()

    with pytest.raises(ConnectionClosed):
        list(queue.consumer)
    queue.consumer.ack(taken)  # of a worker that ends later than the consumer


def test_what_was_committed_last_is_acknowledged_before_the_connection_closes(queue: Queue, vhost: str) -> None:
    queue.publish(b"1")
    taken = queue.take()
    taken.batch.committed = True
    queue.consumer.ack(taken)

    queue.consumer.close()
    queue.consumer.close()  # Dramatiq may do so again

    with BlockingConnection(pika.URLParameters(vhost)) as other:
        assert other.channel().basic_get(topology.INVENTORY)[0] is None
