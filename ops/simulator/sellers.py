"""Sellers API v1. Source: schema/amazon/sellers.json."""

from __future__ import annotations

from ops.simulator.answers import Answer, JsonObject
from ops.simulator.marketplaces import MARKETPLACES, Marketplace
from ops.simulator.operations import Operation, Request
from ops.simulator.quota import Plan
from ops.simulator.world import World

# This model declares the rate header on more answers than the newer APIs do.
_RATE_ON = frozenset({413, 415, 429, 500, 503})


def get_marketplace_participations(world: World, request: Request) -> Answer:
    """The marketplaces of the token's region in which the seller takes part."""
    del world
    own = [MARKETPLACES[marketplace_id] for marketplace_id in request.seller.marketplace_ids if request.sells_in(marketplace_id)]
    participations = [
        {
            "marketplace": _shown(marketplace),
            "participation": {"isParticipating": True, "hasSuspendedListings": False},
            "storeName": request.seller.store_name,
        }
        for marketplace in own
    ]
    return Answer(200, {"payload": participations})


def _shown(marketplace: Marketplace) -> JsonObject:
    return {
        "id": marketplace.id,
        "name": marketplace.name,
        "countryCode": marketplace.country,
        "defaultCurrencyCode": marketplace.currency,
        "defaultLanguageCode": marketplace.language,
        "domainName": f"www.{marketplace.domain}",
    }


OPERATIONS = (
    Operation(
        "getMarketplaceParticipations",
        "GET",
        "/sellers/v1/marketplaceParticipations",
        Plan(0.016, 15),
        get_marketplace_participations,
        _RATE_ON,
    ),
)
