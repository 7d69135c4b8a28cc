"""The other baseline of staging: a stock Dramatiq actor that stages one message in a transaction of its own.

`python -m ops.benchmarks.naive_actor` runs it; Dramatiq imports `setup`. AMQP and database URLs come from the environment.
"""

import os
import sys
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

QUEUE = "naive"


def setup() -> None:
    from worker.clock import Clock
    from worker.core.wire import Delivery
    from worker.database import Database
    from worker.steps.stage import stage

    broker = RabbitmqBroker(url=os.environ["FEEDLINE_AMQP_URL"], confirm_delivery=True)
    dramatiq.set_broker(broker)
    database = Database(os.environ["FEEDLINE_DATABASE_URL"])

    class Only:
        """The part of a context that staging uses."""

        clock = Clock()

    Only.database = database  # type: ignore[attr-defined]
    ctx: Any = Only()

    @dramatiq.actor(queue_name=QUEUE, max_retries=0)
    def stage_one(body: str) -> None:
        stage(ctx, [Delivery("feedline.inventory", body.encode(), "application/cloudevents+json", {})], ctx.clock.now())


def main() -> None:
    from dramatiq import cli

    arguments = ["ops.benchmarks.naive_actor:setup", "--processes", "1", "--threads", "8", "--skip-logging"]
    sys.argv = ["naive"]
    sys.exit(cli.main(cli.make_argument_parser().parse_args(arguments)))


if __name__ == "__main__":
    main()
