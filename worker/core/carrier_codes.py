"""Amazon's carrier codes: what `CarrierCode` of an order fulfillment takes, to the letter.

Source: the carrier list of POST_ORDER_FULFILLMENT_DATA, as clients of Amazon keep it since 2021 (row R104). Seller Central's own is
longer and changes: a code that it shows is added here, and needs no other change.
"""

from typing import Final

from worker.core.texts import folded

OTHER: Final = "Other"
"""The code that goes with a CarrierName, for every carrier that the list does not have."""

_LIST: Final = """
    USPS · UPS · UPSMI · UPS Mail Innovations · UPS Freight · FedEx · FedEx SmartPost · Fedex Freight · DHL · DHL eCommerce ·
    DHL Express · DHL Freight · DHL Global Mail · DHL Home Delivery · DHL-Paket · OnTrac · Lasership · OSM · Newgistics ·
    First Mile · Amazon Shipping · ATS · Canada Post · PUROLATOR · Asendia · Landmark · Estes · Old Dominion · R+L · Saia · ABF ·
    XPO Freight · Yellow Freight · Estafeta · Correios · Total Express · Royal Mail · Parcelforce · Yodel ·
    Hermes Logistik Gruppe · DPD · DX Freight · Tuffnells · Arrow XL · InPost · Deutsche Post · GLS · GO! · GEL Express · Rhenus ·
    La Poste · Colissimo · Coliposte · Chronopost · Geodis Calberson · Poste Italiane · SDA · BRT · Nexive · TNT · TNTIT ·
    Correos · Correos Express · Seur · MRW · Nacex · Envialia · TIPSA · CTTExpress · CELERITAS · Post NL · PostNord ·
    Polish Post · Raben Group · DB Schenker · DSV · Kuehne+Nagel · PTT Kargo · Aras Kargo · MNG Kargo · Horoz Lojistik ·
    Emirates Post · Aramex · India Post · BlueDart · Delhivery · DTDC · Ecom Express · Gati · Xpressbees · Japan Post ·
    JP_EXPRESS · YAMATO · YamatoTransport · SAGAWA · SagawaExpress · NITTSU · NipponExpress · SEINO TRANSPORTATION · FEDEX_JP ·
    Singapore Post · Ninjavan · Qxpress · Australia Post · AustraliaPost-ArticleId · AustraliaPost-Consignment ·
    StarTrack-ArticleID · StarTrack-Consignment · Sendle · Couriers Please · CouriersPlease · Fastway · Toll Global Express ·
    China Post · 4PX · Yun Express · YANWEN · SF Express · EUB · WanbExpress · SFC · WINIT · Self Delivery · Digital Delivery · Other
"""

CARRIER_CODES: Final = frozenset(" ".join(_LIST.split()).split(" · "))

_BY_FOLDED: Final = {folded(code): code for code in sorted(CARRIER_CODES, reverse=True)}


def near_code(carrier: str) -> str | None:
    """Return the code that differs from *carrier* only by case or spacing, or None. Of two, the first in the alphabet."""
    return _BY_FOLDED.get(folded(carrier))
