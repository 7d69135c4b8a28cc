"""What a message would become if it were staged now and its feed cut at once. Requirement rows R17, R50, R103."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from worker.core import coalescing
from worker.core.coalescing import Arrival, Key
from worker.core.facets import Value
from worker.core.issues import Issue
from worker.core.outcomes import Fate, Settled
from worker.core.rendered import Part, Rendered

WOULD_SEND: Final = "would_send"
"""In place of an outcome: only Amazon could tell more."""

HELD: Final = "held"


class Preview(NamedTuple):
    """`outcome`: what the message would end with before anything is sent, or `would_send`, or `held`.

    `facets` names what the template makes of the message; of those, the ones in `fates` would not go, and those in `waits` not yet,
    each with the reason. `parts`: the feed messages that carry something of the message, with what else they carry.
    """

    outcome: str
    reason: str | None = None
    by: int | None = None
    issues: tuple[Issue, ...] = ()
    facets: Mapping[str, Value] = {}
    fates: Mapping[str, Fate] = {}
    waits: Mapping[str, str] = {}
    parts: tuple[Part, ...] = ()


def preview(key: Key, arrival: Arrival, render: Callable[[Key], Rendered]) -> Preview:
    """Return what *arrival* would become. *key*: what is known of its key, and waits there with it; it is changed."""
    for settled in coalescing.coalesce(key, arrival):
        if settled.message == arrival.message:
            return _ended(arrival, settled)
    change = key.pending
    assert change is not None  # a message that has not ended is pending
    own = {facet for facet, said in change.facets.items() if said.message == arrival.message}
    fates = dict(change.messages[arrival.message].fates)
    rendered = render(key)
    for settled in coalescing.drop(change, rendered.dropped):
        if settled.message == arrival.message:
            return _ended(arrival, settled)
    fates.update((facet, fate) for facet, fate in rendered.dropped.items() if facet in own)
    parts = tuple(part for part in rendered.parts if part.facets is None or part.facets & own)
    going = {facet for part in parts for facet in (own if part.facets is None else part.facets)}
    waits = {} if rendered.held is None else dict.fromkeys(own - going - fates.keys(), str(rendered.held))
    warnings = (warning for part in parts for warning in part.warnings if warning.field in own)
    refused = (found for fate in fates.values() for found in fate.issues)
    return Preview(
        WOULD_SEND if parts else HELD,
        None if parts else rendered.held,
        issues=tuple(dict.fromkeys((*arrival.warnings, *warnings, *refused))),
        facets=arrival.facets,
        fates=fates,
        waits=waits,
        parts=parts,
    )


def _ended(arrival: Arrival, settled: Settled) -> Preview:
    return Preview(settled.outcome, settled.reason, settled.by, settled.issues, arrival.facets, settled.facets)
