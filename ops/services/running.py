"""What a keeper process can keep: the one shape of a server, local or in a container."""

from enum import StrEnum
from typing import Protocol, TypedDict


class Kind(StrEnum):
    POSTGRES = "postgres"
    RABBITMQ = "rabbitmq"


class Durability(StrEnum):
    """What a database does at a commit: SAFE waits for the disk (demo, bench), FAST does not (tests; it survives kill -9 all the same)."""

    SAFE = "safe"
    FAST = "fast"


class Place(StrEnum):
    """Where servers may run: LOCAL takes programs of this machine, DOCKER_FIRST a container wherever a Docker engine answers."""

    LOCAL = "local"
    DOCKER_FIRST = "docker-first"


class Control(TypedDict, total=False):
    """How to administer a broker: by `rabbitmqctl` (command and environment), or by the management API."""

    command: list[str]
    environment: dict[str, str]
    management_url: str


class Address(TypedDict):
    """What a keeper tells its starter."""

    url: str
    control: Control


class RunningServer(Protocol):
    """A server that can be stopped and started again with its data and its address."""

    def start(self) -> Address: ...
    def stop(self) -> None:
        """Shut down in order."""

    def kill(self) -> None:
        """End at once, as kill -9 does."""

    def remove(self) -> None:
        """End, and leave nothing behind."""
