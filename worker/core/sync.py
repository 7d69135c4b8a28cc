"""What sync_listings makes of an inventory message: the facets of its SKU, or every fault that makes the message invalid.

Requirement rows R52-R60, R65. This runs for every staged message, so a template is compiled once for a connection's revision.
"""

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from worker.core.facet_values import Make, attribute, check_unmapped_handling_time, handling_time, price, quantity
from worker.core.facets import HANDLING_TIME, PRICE, QUANTITY, Facets, Value
from worker.core.issues import Issue, Severity
from worker.core.json import JsonObject
from worker.core.mapping import Absent, Found, Resolver, resolver
from worker.core.marketplaces import Marketplace
from worker.core.targets import TemplateKind, Way

if TYPE_CHECKING:
    from worker.core.connections import ConnectionSettings


def sync_facets(data: JsonObject, settings: "ConnectionSettings", marketplace: Marketplace) -> Facets:
    """Return the facets that the connection's sync template makes of *data*, an inventory message's.

    A source field that is missing or null makes no facet: what the message does not speak of stays as it is.
    """
    return settings.sync_template.facets(data, marketplace)


class _Step(NamedTuple):
    facet: str
    resolve: Resolver
    make: Make


class SyncTemplate:
    """A sync template of one revision, compiled."""

    def __init__(self, settings: "ConnectionSettings") -> None:
        section = settings.sync_listings
        makers: dict[str, Make] = {
            PRICE: partial(price, allow_offer_delete=section.allow_offer_delete),
            QUANTITY: quantity,
            HANDLING_TIME: handling_time,
        }
        self._steps = tuple(
            _Step(
                name,
                resolver(TemplateKind.SYNC, name, spec, rules=settings.rules, mapping_sets=settings.mapping_sets),
                makers.get(name, attribute),
            )
            for name, spec in section.template.items()
            if spec.way is not Way.DONT_MAP or spec.rules
        )
        self._maps_handling_time = any(step.facet == HANDLING_TIME for step in self._steps)

    def facets(self, data: JsonObject, marketplace: Marketplace) -> Facets:
        values: dict[str, Value] = {}
        problems: list[Issue] = []
        if not self._maps_handling_time:
            check_unmapped_handling_time(data, marketplace, problems)
        for facet, resolve, make in self._steps:
            result = resolve(data)
            if type(result) is Found:
                value = make(result, data, marketplace, problems)
            elif result is Absent.EMPTIED:
                value = make(None, data, marketplace, problems)
            else:
                if isinstance(result, Issue):
                    problems.append(result)
                continue
            if value is not None:
                values[facet] = value
        if not problems:
            return Facets(values)
        faults = tuple(problem for problem in problems if problem.severity is Severity.ERROR)
        return Facets(values, tuple(problem for problem in problems if problem.severity is not Severity.ERROR), faults)
