"""Find or start the two servers that Feedline needs, without Docker.

    with services() as running:
        running.database_url, running.amqp_url

Each server lives in a keeper process (`keeper.py`) that stops it when its starter ends, however that ends. FEEDLINE_DATABASE_URL
and FEEDLINE_AMQP_URL, where set, are used as they are. `python -m ops.services` does the same from a shell.
"""

from ops.services.both import Services, services
from ops.services.errors import ServiceUnavailable
from ops.services.postgres import PostgresServer
from ops.services.rabbitmq import RabbitMQServer
from ops.services.running import Durability, Place

__all__ = ["Durability", "Place", "PostgresServer", "RabbitMQServer", "ServiceUnavailable", "Services", "services"]
