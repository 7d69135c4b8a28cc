"""What a feed format makes of a key: the feed messages that go, and what becomes of the rest of its change."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple

from worker.core.facets import Value
from worker.core.issues import Issue
from worker.core.outcomes import Fate, Reason


class Part(NamedTuple):
    """One feed message of a key.

    `body`: as it will stand in the document, but for its number. `sent`: every facet value that it carries, also those that it
    only repeats. `facets`: those of the change that it takes along, None for all. `warnings`: of facets that go, each with its
    facet as `field`. `replaces`: facets beside those it carries that Amazon may lose by it. `own`: the body as it would be if it
    repeated nothing, where it repeats what is confirmed.
    """

    body: bytes
    sent: Mapping[str, Value]
    facets: frozenset[str] | None = None
    warnings: tuple[Issue, ...] = ()
    replaces: frozenset[str] = frozenset()
    own: bytes | None = None

    @property
    def digest(self) -> str:
        """What tells this feed message from another one for the key: after a change of the settings, only what differs is sent again.

        What it only repeats may be another value by then, and makes no difference.
        """
        return blake2b(self.body if self.own is None else self.own, digest_size=8).hexdigest()


class Rendered(NamedTuple):
    """What goes of a key's change, and what does not.

    `dropped`: facets that will not go, each with its fate. `held`: why the rest waits; facets in no part and not dropped stay
    pending. Keys go together in one feed only where their `batch` is the same. `known`: the values of dropped facets that count
    from now on, though Amazon need not be told of them.
    """

    parts: tuple[Part, ...] = ()
    dropped: Mapping[str, Fate] = {}
    held: Reason | None = None
    batch: str | None = None
    known: Mapping[str, Value] = {}
