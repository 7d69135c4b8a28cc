"""Comparison: how the payloads of one message differ between two connections, line by line. Requirement rows R50, R70.

Both are rendered of the message alone, as if Amazon had nothing yet: only what the settings make of it can differ.
"""

from collections.abc import Sequence
from difflib import unified_diff
from typing import Final

import msgspec

from worker.core.coalescing import Key, undigested
from worker.core.facets import LISTING
from worker.core.feed_formats import FORMATS
from worker.core.issues import Issue
from worker.core.json import encode
from worker.core.kinds import Kind
from worker.core.outcomes import Reason
from worker.core.rendered import Rendered

CONTEXT_LINES: Final = 2
"""Lines that stay the same, shown on either side of one that differs."""


def payload(kind: Kind, key: Key, rendered: Rendered) -> list[str]:
    """Return what goes of *key*, what waits and what does not go, as lines that a person can read."""
    facets = {} if key.pending is None else key.pending.facets
    going = {facet for part in rendered.parts for facet in (part.facets if part.facets is not None else facets)}
    lines = [line for part in rendered.parts for line in FORMATS[kind].readable(part.body).splitlines()]
    lines += [f"{facet}: {fate.outcome}, {fate.reason}" for facet, fate in sorted(rendered.dropped.items())]
    for facet in sorted(facets.keys() - going - rendered.dropped.keys()):
        lines.append(f"{facet}: held, {rendered.held}")
        value = facets[facet].value
        shown = undigested(value) if facet == LISTING and not value.cleared else value
        lines += _json(encode(shown.value)).splitlines()
    return lines or [f"skipped, {Reason.NOTHING_TO_SEND}"]


def refusal(issues: Sequence[Issue]) -> list[str]:
    """Return why nothing goes, as lines."""
    return [f"invalid, {issue.code}: {issue.message}" for issue in issues]


def difference(before: Sequence[str], after: Sequence[str], *, names: tuple[str, str]) -> list[str]:
    """Return what leads from *before* to *after* as a unified diff; no line where they are equal."""
    return list(unified_diff(before, after, *names, n=CONTEXT_LINES, lineterm=""))


def _json(text: bytes) -> str:
    return msgspec.json.format(text, indent=2).decode()
