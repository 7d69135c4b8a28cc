"""Both servers at once, in the time of the slower one."""

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ops.services.postgres import PostgresServer
from ops.services.rabbitmq import RabbitMQServer
from ops.services.running import Durability, Place


@dataclass(frozen=True)
class Services:
    """The addresses, and handles on the servers; a handle is None when its URL came from the environment."""

    database_url: str
    amqp_url: str
    postgres: PostgresServer | None = None
    rabbitmq: RabbitMQServer | None = None

    def environment(self) -> dict[str, str]:
        """Return the settings that point Feedline at these servers."""
        return {"FEEDLINE_DATABASE_URL": self.database_url, "FEEDLINE_AMQP_URL": self.amqp_url}


@contextlib.contextmanager
def services(*, durability: Durability = Durability.SAFE, place: Place = Place.LOCAL) -> Iterator[Services]:
    """Yield the servers that the environment names, and servers of our own for what it does not name.

    Raises: ServiceUnavailable, with one sentence that says what to install.
    """
    database_url, amqp_url = os.environ.get("FEEDLINE_DATABASE_URL"), os.environ.get("FEEDLINE_AMQP_URL")
    with contextlib.ExitStack() as cleaning:
        with ThreadPoolExecutor(2) as threads:
            starting_postgres = None if database_url else threads.submit(PostgresServer.launch, durability=durability, place=place)
            starting_rabbitmq = None if amqp_url else threads.submit(RabbitMQServer.launch, place=place)
        # What did start is closed even when the other did not.
        for starting in (starting_postgres, starting_rabbitmq):
            if starting and not starting.exception():
                cleaning.callback(starting.result().close)
        postgres = starting_postgres.result() if starting_postgres else None
        rabbitmq = starting_rabbitmq.result() if starting_rabbitmq else None
        yield Services(
            database_url or (postgres.url if postgres else ""),
            amqp_url or (rabbitmq.url if rabbitmq else ""),
            postgres,
            rabbitmq,
        )
