"""The consumer of an ingest queue on a real RabbitMQ."""

import contextlib
from collections.abc import Callable, Iterator

import pika
import pytest
from dramatiq.errors import ConnectionClosed
from pika.adapters.blocking_connection import BlockingConnection

from tests.eventually import eventually
from tests.tcp_proxy import TcpProxy
from worker.broker import consumer, topology
from worker.broker.consumer import BatchConsumer, BatchMessage
from worker.clock import Clock

SIZE = 3


class Queue:
    """A queue with its consumer, which nobody else turns."""

    def __init__(self, url: str, *, size: int = SIZE, through: str | None = None) -> None:
        self._upstream = BlockingConnection(pika.URLParameters(url))
        topology.declare(self._upstream)
        self._channel = self._upstream.channel()
        self._channel.confirm_delivery()
        self.consumer = BatchConsumer(
            [pika.URLParameters(through or url)],
            topology.INVENTORY,
            "stage_inventory",
            size=size,
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


def test_a_consumer_that_holds_too_much_leaves_nearly_all_to_rabbitmq_until_it_is_rid_of_it(
    vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "MOST_HELD_BYTES", 1_000_000)
    monkeypatch.setattr(consumer, "CRAMMED_SECONDS", 0.01)
    monkeypatch.setattr(consumer, "MOST_BATCH_BYTES", 500_000)
    with contextlib.closing(Queue(vhost, size=100)) as queue:
        queue.publish(*[b"x" * 100_000] * 100)
        taken = [queue.take()]

        for _ in range(20):  # pika reads up to 100 kB in each
            taken += [more for more in [next(queue.consumer)] if more is not None]
        held_at_most = sum(len(bodies(each)) for each in taken)
        while sum(len(bodies(each)) for each in taken) < 100:
            for each in taken:
                if not each.batch.over:
                    each.batch.committed = True
                    queue.consumer.ack(each)
            taken.append(queue.take())

        assert held_at_most <= (1_000_000 + 500_000 + 20 * 100_000) // 100_000
        assert {body for each in taken for body in bodies(each)} == {b"x" * 100_000}


def test_a_connection_whose_goodbye_nobody_answers_is_let_go(
    vhost: str, tcp_proxy: Callable[[str], TcpProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "CLOSE_SECONDS", 0.2)
    line = tcp_proxy(vhost)
    queue = Queue(vhost, through=line.url(vhost))
    line.hold()
    before = line.open_sides

    queue.close()
    line.heal()  # only now it hears of the end of either side

    assert before == 2
    assert eventually(lambda: line.open_sides == 0)
