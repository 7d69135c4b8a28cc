"""What a command works with: settings, database, vault, context. Heavy imports happen here, when a command asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.context import Context
    from worker.database import Database
    from worker.settings import Settings

APPLICATION_NAME = "feedline-cli"


def settings() -> "Settings":
    """Read the settings, and send the warnings of libraries to stderr. Raises UsageError that names every fault."""
    from worker.settings import Settings

    found = Settings.load()
    # Before anything imports Amazon's SDK, which would set up logging in its own way.
    from worker import logs

    logs.configure(logs.CONSOLE, "warning")
    return found


@contextmanager
def database(found: "Settings | None" = None) -> Iterator["Database"]:
    """Yield the database of the settings, closed at the end."""
    from worker.database import Database

    opened = Database((found or settings()).database_url.get_secret_value(), application_name=APPLICATION_NAME, pool_size=2)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def context() -> Iterator["Context"]:
    """Yield the context of the settings, for commands that call Amazon or take a step. Nothing is connected before its use."""
    from worker.amazon.client import Amazon
    from worker.broker.publisher import Publisher
    from worker.clock import Chance, Clock
    from worker.context import Context

    found = settings()
    clock, chance, vault = Clock(), Chance(), found.vault()
    with database(found) as opened, Publisher(found.amqp_urls()) as publisher:
        amazon = Amazon(found, opened, vault, clock, chance)
        try:
            yield Context(found, opened, vault, amazon, publisher, clock, chance)
        finally:
            amazon.close()
