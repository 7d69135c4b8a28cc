"""The context: what a step may reach. Made once a process, the first argument of every step."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.clock import Chance, Clock
from worker.database import Database
from worker.secrets import Vault
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.amazon.client import Amazon
    from worker.broker.publisher import Publisher


@dataclass(frozen=True)
class Context:
    """`amazon` is the one way to SP-API, `publisher` the one way out to RabbitMQ."""

    settings: Settings
    database: Database
    vault: Vault
    amazon: "Amazon"
    publisher: "Publisher"
    clock: Clock
    chance: Chance
