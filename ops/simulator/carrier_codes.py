"""The carriers that an order fulfilment feed may name, exact in case and spaces.

Source: the list that clients of Amazon keep since 2021; Seller Central's own is longer and changes.
"""

from __future__ import annotations

OTHER = "Other"

CODES = frozenset(
    {
        # Americas
        "USPS", "UPS", "UPSMI", "UPS Mail Innovations", "UPS Freight", "FedEx", "FedEx SmartPost", "Fedex Freight", "DHL", "DHL eCommerce",
        "DHL Express", "DHL Freight", "DHL Global Mail", "DHL Home Delivery", "DHL-Paket", "OnTrac", "Lasership", "OSM", "Newgistics",
        "First Mile", "Amazon Shipping", "ATS", "Canada Post", "PUROLATOR", "Asendia", "Landmark", "Estes", "Old Dominion", "R+L", "Saia",
        "ABF", "XPO Freight", "Yellow Freight", "Estafeta", "Correios", "Total Express",
        # Europe and the Middle East
        "Royal Mail", "Parcelforce", "Yodel", "Hermes Logistik Gruppe", "DPD", "DX Freight", "Tuffnells", "Arrow XL", "InPost",
        "Deutsche Post", "GLS", "GO!", "GEL Express", "Rhenus", "La Poste", "Colissimo", "Coliposte", "Chronopost", "Geodis Calberson",
        "Poste Italiane", "SDA", "BRT", "Nexive", "TNT", "TNTIT", "Correos", "Correos Express", "Seur", "MRW", "Nacex", "Envialia", "TIPSA",
        "CTTExpress", "CELERITAS", "Post NL", "PostNord", "Polish Post", "Raben Group", "DB Schenker", "DSV", "Kuehne+Nagel", "PTT Kargo",
        "Aras Kargo", "MNG Kargo", "Horoz Lojistik", "Emirates Post", "Aramex",
        # Asia and Australia
        "India Post", "BlueDart", "Delhivery", "DTDC", "Ecom Express", "Gati", "Xpressbees", "Japan Post", "JP_EXPRESS", "YAMATO",
        "YamatoTransport", "SAGAWA", "SagawaExpress", "NITTSU", "NipponExpress", "SEINO TRANSPORTATION", "FEDEX_JP", "Singapore Post",
        "Ninjavan", "Qxpress", "Australia Post", "AustraliaPost-ArticleId", "AustraliaPost-Consignment", "StarTrack-ArticleID",
        "StarTrack-Consignment", "Sendle", "Couriers Please", "CouriersPlease", "Fastway", "Toll Global Express", "China Post", "4PX",
        "Yun Express", "YANWEN", "SF Express", "EUB", "WanbExpress", "SFC", "WINIT",
        # Anybody
        "Self Delivery", "Digital Delivery", OTHER,
    }
)  # fmt: skip
