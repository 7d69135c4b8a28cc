"""One Postgres and one RabbitMQ for the whole session, however many processes run it.

The first test process that needs a server starts it. What ends it is not that process, which may be done long before the others,
but a FIFO: the process that the user started holds its writing end, and each server's keeper reads it. When the session is over, or
is killed, the system closes the FIFO and the keepers clean up.
"""

import errno
import fcntl
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TypeVar

from ops.services import Durability, Place, PostgresServer, RabbitMQServer, ServiceUnavailable
from ops.services.kept import KeptServer

Server = TypeVar("Server", bound=KeptServer)


class SharedServers:
    """The folder in which the processes of one session tell each other where the servers are."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def postgres(self) -> PostgresServer:
        given = os.environ.get("FEEDLINE_DATABASE_URL")
        return PostgresServer.given(given) if given else self._started_or_found(PostgresServer)

    def rabbitmq(self) -> RabbitMQServer:
        given = os.environ.get("FEEDLINE_AMQP_URL")
        return RabbitMQServer.given(given) if given else self._started_or_found(RabbitMQServer)

    def _started_or_found(self, kind: type[Server]) -> Server:
        record = self.directory / f"{kind.kind}.json"
        with (self.directory / f"{kind.kind}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not record.exists():
                record.write_text(json.dumps(self._start(kind)))
        known = json.loads(record.read_text())
        if "error" in known:
            raise ServiceUnavailable(known["error"])
        return kind(known)

    def _start(self, kind: type[Server]) -> object:
        try:
            server = kind.launch_shared(self.directory / "lifeline", durability=Durability.FAST, place=Place.DOCKER_FIRST)
        except ServiceUnavailable as unavailable:
            return {"error": str(unavailable)}
        return server.address


class SharedServersOwner(SharedServers):
    """The same, in the process that the user started."""

    def __init__(self) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="feedline-tests-")))
        self._lifeline = self.directory / "lifeline"
        os.mkfifo(self._lifeline)
        # Open for both, because opening a FIFO for writing alone waits for a reader.
        self._end = os.open(self._lifeline, os.O_RDWR)

    def close(self, within_seconds: float = 30) -> None:
        """End the servers and return when they are gone."""
        os.close(self._end)
        deadline = time.monotonic() + within_seconds
        while self._somebody_reads() and time.monotonic() < deadline:
            time.sleep(0.05)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _somebody_reads(self) -> bool:
        try:
            os.close(os.open(self._lifeline, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            return error.errno != errno.ENXIO
        return True
