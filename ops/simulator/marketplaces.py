"""Amazon's marketplaces: region, currency, language. Source: Amazon's "Marketplace IDs" page."""

from __future__ import annotations

from typing import NamedTuple


class Marketplace(NamedTuple):
    country: str
    id: str
    region: str
    currency: str
    language: str
    domain: str
    name: str


_ROWS = (
    Marketplace("US", "ATVPDKIKX0DER", "NA", "USD", "en_US", "amazon.com", "Amazon.com"),
    Marketplace("CA", "A2EUQ1WTGCTBG2", "NA", "CAD", "en_CA", "amazon.ca", "Amazon.ca"),
    Marketplace("MX", "A1AM78C64UM0Y8", "NA", "MXN", "es_MX", "amazon.com.mx", "Amazon.com.mx"),
    Marketplace("BR", "A2Q3Y263D00KWC", "NA", "BRL", "pt_BR", "amazon.com.br", "Amazon.com.br"),
    Marketplace("GB", "A1F83G8C2ARO7P", "EU", "GBP", "en_GB", "amazon.co.uk", "Amazon.co.uk"),
    Marketplace("IE", "A28R8C7NBKEWEA", "EU", "EUR", "en_IE", "amazon.ie", "Amazon.ie"),
    Marketplace("DE", "A1PA6795UKMFR9", "EU", "EUR", "de_DE", "amazon.de", "Amazon.de"),
    Marketplace("FR", "A13V1IB3VIYZZH", "EU", "EUR", "fr_FR", "amazon.fr", "Amazon.fr"),
    Marketplace("IT", "APJ6JRA9NG5V4", "EU", "EUR", "it_IT", "amazon.it", "Amazon.it"),
    Marketplace("ES", "A1RKKUPIHCS9HS", "EU", "EUR", "es_ES", "amazon.es", "Amazon.es"),
    Marketplace("NL", "A1805IZSGTT6HS", "EU", "EUR", "nl_NL", "amazon.nl", "Amazon.nl"),
    Marketplace("BE", "AMEN7PMS3EDWL", "EU", "EUR", "fr_BE", "amazon.com.be", "Amazon.com.be"),
    Marketplace("SE", "A2NODRKZP88ZB9", "EU", "SEK", "sv_SE", "amazon.se", "Amazon.se"),
    Marketplace("PL", "A1C3SOZRARQ6R3", "EU", "PLN", "pl_PL", "amazon.pl", "Amazon.pl"),
    Marketplace("TR", "A33AVAJ2PDY3EV", "EU", "TRY", "tr_TR", "amazon.com.tr", "Amazon.com.tr"),
    Marketplace("EG", "ARBP9OOSHTCHU", "EU", "EGP", "ar_AE", "amazon.eg", "Amazon.eg"),
    Marketplace("SA", "A17E79C6D8DWNP", "EU", "SAR", "ar_AE", "amazon.sa", "Amazon.sa"),
    Marketplace("AE", "A2VIGQ35RCS4UG", "EU", "AED", "en_AE", "amazon.ae", "Amazon.ae"),
    Marketplace("ZA", "AE08WJ6YKNBMC", "EU", "ZAR", "en_ZA", "amazon.co.za", "Amazon.co.za"),
    Marketplace("IN", "A21TJRUUN4KGV", "EU", "INR", "en_IN", "amazon.in", "Amazon.in"),
    Marketplace("JP", "A1VC38T7YXB528", "FE", "JPY", "ja_JP", "amazon.co.jp", "Amazon.co.jp"),
    Marketplace("SG", "A19VAU5U5O7RUS", "FE", "SGD", "en_SG", "amazon.sg", "Amazon.sg"),
    Marketplace("AU", "A39IBJ37TRP1C6", "FE", "AUD", "en_AU", "amazon.com.au", "Amazon.com.au"),
)

MARKETPLACES = {row.id: row for row in _ROWS}

# Japan's yen has no minor unit; every other currency above has two decimals.
DECIMALS = {"JPY": 0}

# Amazon's own fulfilment channels, by region.
FBA_CHANNELS = {
    "NA": frozenset({"AMAZON_NA"}),
    "EU": frozenset({"AMAZON_EU", "AMAZON_IN"}),
    "FE": frozenset({"AMAZON_JP", "AMAZON_AU", "AMAZON_SG"}),
}


def decimals(currency: str) -> int:
    """How many decimals a price in *currency* may have."""
    return DECIMALS.get(currency, 2)
