"""Product Type Definitions API 2020-09-01: the search. Source: schema/amazon/definitionsProductTypes_2020-09-01.json."""

from __future__ import annotations

import base64
import hashlib

from ops.simulator.answers import Answer, bad_request
from ops.simulator.operations import Operation, Request
from ops.simulator.product_type_names import known_names
from ops.simulator.quota import Plan
from ops.simulator.world import World

_LOCALES = frozenset(
    {
        "DEFAULT", "ar", "ar_AE", "de", "de_DE", "en", "en_AE", "en_AU", "en_CA", "en_GB", "en_IN", "en_SG", "en_US", "es", "es_ES",
        "es_MX", "es_US", "fr", "fr_CA", "fr_FR", "it", "it_IT", "ja", "ja_JP", "nl", "nl_NL", "pl", "pl_PL", "pt", "pt_BR", "pt_PT", "sv",
        "sv_SE", "tr", "tr_TR", "zh", "zh_CN", "zh_TW",
    }
)  # fmt: skip


def search_definitions_product_types(world: World, request: Request) -> Answer:
    """Names that contain one of the keywords; all of them without any."""
    marketplace = request.marketplace(bad_request("'marketplaceIds' is required but not supplied."))
    keywords = [word.strip().upper().replace(" ", "_") for word in request.many("keywords")]
    item_name = request.one("itemName")
    if keywords and item_name is not None:
        raise bad_request("'keywords' and 'itemName' cannot be used together.")
    for name in ("locale", "searchLocale"):
        request.choice(name, _LOCALES, bad_request(f"Invalid '{name}' provided."))
    if item_name is not None:
        keywords = item_name.upper().split()
    names = known_names(world.limits)
    fitting = [name for name in names if not keywords or any(word in name for word in keywords)]
    version = base64.b64encode(hashlib.sha256(" ".join(names).encode()).digest()[:8]).decode()
    types = [{"name": name, "displayName": name.replace("_", " ").title(), "marketplaceIds": [marketplace.id]} for name in fitting]
    return Answer(200, {"productTypes": types, "productTypeVersion": version})


OPERATIONS = (
    Operation(
        "searchDefinitionsProductTypes", "GET", "/definitions/2020-09-01/productTypes", Plan(5, 10), search_definitions_product_types
    ),
)
