"""Amazon's marketplaces: where each one's API answers, and which money and language it speaks.

Source: Amazon's developer documentation, "Marketplace IDs" and "SP-API endpoints". Requirement rows R2, R3.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Region(StrEnum):
    """One SP-API endpoint, one login."""

    NA = "NA"
    EU = "EU"
    FE = "FE"


ENDPOINTS: Final[Mapping[Region, str]] = {
    Region.NA: "https://sellingpartnerapi-na.amazon.com",
    Region.EU: "https://sellingpartnerapi-eu.amazon.com",
    Region.FE: "https://sellingpartnerapi-fe.amazon.com",
}


class Marketplace(NamedTuple):
    """`decimals` is how many digits the currency has after the point (ISO 4217)."""

    id: str
    country: str
    region: Region
    currency: str
    decimals: int
    language_tag: str
    domain: str


MARKETPLACES: Final[Mapping[str, Marketplace]] = {
    row.id: row
    for row in (
        Marketplace("ATVPDKIKX0DER", "US", Region.NA, "USD", 2, "en_US", "amazon.com"),
        Marketplace("A2EUQ1WTGCTBG2", "CA", Region.NA, "CAD", 2, "en_CA", "amazon.ca"),
        Marketplace("A1AM78C64UM0Y8", "MX", Region.NA, "MXN", 2, "es_MX", "amazon.com.mx"),
        Marketplace("A2Q3Y263D00KWC", "BR", Region.NA, "BRL", 2, "pt_BR", "amazon.com.br"),
        Marketplace("A1F83G8C2ARO7P", "GB", Region.EU, "GBP", 2, "en_GB", "amazon.co.uk"),
        Marketplace("A28R8C7NBKEWEA", "IE", Region.EU, "EUR", 2, "en_IE", "amazon.ie"),
        Marketplace("A1PA6795UKMFR9", "DE", Region.EU, "EUR", 2, "de_DE", "amazon.de"),
        Marketplace("A13V1IB3VIYZZH", "FR", Region.EU, "EUR", 2, "fr_FR", "amazon.fr"),
        Marketplace("APJ6JRA9NG5V4", "IT", Region.EU, "EUR", 2, "it_IT", "amazon.it"),
        Marketplace("A1RKKUPIHCS9HS", "ES", Region.EU, "EUR", 2, "es_ES", "amazon.es"),
        Marketplace("A1805IZSGTT6HS", "NL", Region.EU, "EUR", 2, "nl_NL", "amazon.nl"),
        Marketplace("AMEN7PMS3EDWL", "BE", Region.EU, "EUR", 2, "fr_BE", "amazon.com.be"),
        Marketplace("A2NODRKZP88ZB9", "SE", Region.EU, "SEK", 2, "sv_SE", "amazon.se"),
        Marketplace("A1C3SOZRARQ6R3", "PL", Region.EU, "PLN", 2, "pl_PL", "amazon.pl"),
        Marketplace("A33AVAJ2PDY3EV", "TR", Region.EU, "TRY", 2, "tr_TR", "amazon.com.tr"),
        Marketplace("ARBP9OOSHTCHU", "EG", Region.EU, "EGP", 2, "ar_AE", "amazon.eg"),
        Marketplace("A17E79C6D8DWNP", "SA", Region.EU, "SAR", 2, "ar_AE", "amazon.sa"),
        Marketplace("A2VIGQ35RCS4UG", "AE", Region.EU, "AED", 2, "en_AE", "amazon.ae"),
        Marketplace("AE08WJ6YKNBMC", "ZA", Region.EU, "ZAR", 2, "en_ZA", "amazon.co.za"),
        Marketplace("A21TJRUUN4KGV", "IN", Region.EU, "INR", 2, "en_IN", "amazon.in"),
        Marketplace("A1VC38T7YXB528", "JP", Region.FE, "JPY", 0, "ja_JP", "amazon.co.jp"),
        Marketplace("A19VAU5U5O7RUS", "SG", Region.FE, "SGD", 2, "en_SG", "amazon.sg"),
        Marketplace("A39IBJ37TRP1C6", "AU", Region.FE, "AUD", 2, "en_AU", "amazon.com.au"),
    )
}
