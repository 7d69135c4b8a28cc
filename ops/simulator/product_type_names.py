"""The product types that the simulated Amazon knows."""

from __future__ import annotations

from ops.simulator.limits import Limits

# The generic type: fine for offers and for patches of price or quantity, refused for creating products.
GENERIC = "PRODUCT"

NAMES = (
    GENERIC, "ABIS_BOOK", "ACCESSORY", "ART_SUPPLIES", "AUTO_ACCESSORY", "AUTO_PART", "BACKPACK", "BATTERY", "BEAUTY", "BED", "BOTTLE",
    "CELLULAR_PHONE_CASE", "CHAIR", "COAT", "COFFEE", "CONSUMER_ELECTRONICS", "DRESS", "DRINKING_CUP", "FURNITURE", "GROCERY", "HAT",
    "HEADPHONES", "HOME", "HOME_BED_AND_BATH", "HOME_LIGHTING_AND_LAMPS", "HEALTH_PERSONAL_CARE", "JEWELRY", "KITCHEN", "LAMP", "LUGGAGE",
    "MUSICAL_INSTRUMENTS", "NOTEBOOK_COMPUTER", "OFFICE_PRODUCTS", "OUTDOOR_LIVING", "PANTS", "PET_SUPPLIES",
    "PORTABLE_ELECTRONIC_DEVICE_COVER", "SHIRT", "SHOES", "SPORTING_GOODS", "SUITCASE", "TABLE", "TOOLS", "TOYS_AND_GAMES",
    "WATCH", "WIRELESS_ACCESSORY",
)  # fmt: skip


def known_names(limits: Limits) -> list[str]:
    """All names that are valid now, in order."""
    return sorted({*NAMES, *limits.extra_product_types} - set(limits.withdrawn_product_types))


def is_known(name: str, limits: Limits) -> bool:
    """Whether *name* is valid now; names are upper case and exact."""
    return (name in _NAMES or name in limits.extra_product_types) and name not in limits.withdrawn_product_types


_NAMES = frozenset(NAMES)
