"""Which of two messages for one key is newer.

Each source orders its own messages, facet by facet: by `sequence` if it gives one, else by `time`. Between sources the
later arrival wins, and the row lock of the key decides what arrives later.
"""

from datetime import UTC, datetime

import msgspec


class Version(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """Orders one source's messages for one key. A sequence ranks above any time, for a source may begin to give one."""

    sequenced: bool
    number: int


def version(sequence: int | None, time: datetime) -> Version:
    """Return the version of a message. *time*: the message's own, or that of its arrival."""
    if sequence is not None:
        return Version(sequenced=True, number=sequence)
    since_epoch = time.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return Version(sequenced=False, number=(since_epoch.days * 86_400 + since_epoch.seconds) * 1_000_000 + since_epoch.microseconds)


class Last(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest version that a source has given for a facet, and the message that gave it."""

    version: Version
    message: int


class History(msgspec.Struct, array_like=True, gc=False):
    """What one source has said of one key."""

    sequenced: bool
    facets: dict[str, Last]
