"""Staging: one worker process against a raw pika consumer that writes the same rows, and against one transaction a message."""

import threading
from collections.abc import Sequence

import pika

from ops.benchmarks.bench import Bench, process, rate, resident_mib
from ops.benchmarks.measure import Figure, at_least, median
from ops.benchmarks.naive_actor import QUEUE
from ops.benchmarks.workload import bodies, events
from worker.broker import topology
from worker.broker.publisher import Publisher
from worker.core.events import OutgoingEvent

RAW_SHARE = 0.8
NAIVE_TIMES = 6.0
MOST_RESIDENT_MIB = 150.0


def run(bench: Bench, pairs: int) -> list[Figure]:
    messages, skus = int(100_000 * bench.scale), int(20_000 * bench.scale)
    to_raw, to_naive, memory = [], [], []
    for _ in range(pairs):
        ours, resident = staged(bench, topology.INVENTORY, events(messages, skus))
        raw = _raw(bench, messages, skus)
        naive = _naive(bench, messages // 50, skus)
        print(f"  staging: ours {ours:,.0f}/s, raw pika {raw:,.0f}/s, one transaction a message {naive:,.0f}/s, {resident:.0f} MiB")
        to_raw.append(ours / raw)
        to_naive.append(ours / naive)
        memory.append(resident)
    return [
        at_least("staging, to a raw pika consumer", to_raw, RAW_SHARE),
        at_least("staging, to one transaction a message", to_naive, NAIVE_TIMES),
        Figure(
            "resident MiB of a worker process while staging",
            f"{median(memory):.0f}",
            f"at most {MOST_RESIDENT_MIB:.0f}",
            max(memory) <= MOST_RESIDENT_MIB,
        ),
    ]


def _load(amqp_url: str, published: Sequence[OutgoingEvent]) -> None:
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        topology.declare(connection)
    with Publisher([amqp_url]) as publisher:
        publisher.publish_events(published, exchange=topology.EXCHANGE)


def staged(bench: Bench, queue: str, published: Sequence[OutgoingEvent]) -> tuple[float, float]:
    """Let one worker process stage what is *published* to *queue*; return messages a second, and its largest MiB in memory."""
    with bench.fresh() as environment:
        _load(environment["FEEDLINE_AMQP_URL"], published)
        command = ["-m", "ops", "worker", "--processes", "1", "--threads", "4", "--queues", queue]
        with process(command, environment, bench.folder / "worker.log") as worker:
            peak = [0.0]
            watching = threading.Event()

            def watch() -> None:
                while not watching.wait(0.25):
                    peak[0] = max(peak[0], resident_mib(worker.pid))

            watcher = threading.Thread(target=watch)
            watcher.start()
            try:
                found = rate(environment["FEEDLINE_DATABASE_URL"], len(published))
            finally:
                watching.set()
                watcher.join()
            return found, peak[0]


def _raw(bench: Bench, messages: int, skus: int) -> float:
    with bench.fresh() as environment:
        urls = [environment["FEEDLINE_AMQP_URL"], environment["FEEDLINE_DATABASE_URL"]]
        _load(urls[0], events(messages, skus))
        with process(["-m", "ops.benchmarks.raw_consumer", *urls, str(messages)], environment, bench.folder / "raw.log"):
            return rate(urls[1], messages)


def _naive(bench: Bench, messages: int, skus: int) -> float:
    import dramatiq
    from dramatiq.brokers.rabbitmq import RabbitmqBroker

    with bench.fresh() as environment:
        broker = RabbitmqBroker(url=environment["FEEDLINE_AMQP_URL"], confirm_delivery=False)
        broker.declare_queue(QUEUE, ensure=True)
        for body in bodies(messages, skus):
            broker.enqueue(dramatiq.Message(queue_name=QUEUE, actor_name="stage_one", args=(body.decode(),), kwargs={}, options={}))
        broker.close()
        with process(["-m", "ops.benchmarks.naive_actor"], environment, bench.folder / "naive.log"):
            return rate(environment["FEEDLINE_DATABASE_URL"], messages)
