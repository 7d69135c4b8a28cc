"""Virtual hosts for tests, made many at a time: `rabbitmqctl` takes a third of a second to start, whatever it does."""

import itertools

from ops.services import RabbitMQServer

_AT_A_TIME = 16


class VhostPool:
    """Hands out fresh virtual hosts of one broker; the used ones are deleted when new ones are made."""

    def __init__(self, server: RabbitMQServer, prefix: str) -> None:
        self._server = server
        self._names = (f"{prefix}_{number}" for number in itertools.count(1))
        self._fresh: list[str] = []
        self._used: list[str] = []

    def take(self) -> str:
        """Return the AMQP URL of a virtual host that nobody has used."""
        if not self._fresh:
            self.delete_used()
            self._fresh = list(itertools.islice(self._names, _AT_A_TIME))
            self._server.create_vhosts(self._fresh)
        name = self._fresh.pop(0)
        self._used.append(name)
        return self._server.vhost_url(name)

    def delete_used(self) -> None:
        if self._used:
            self._server.delete_vhosts(self._used)
            self._used = []

    def delete_all(self) -> None:
        self._used += self._fresh
        self._fresh = []
        self.delete_used()
