from ops.simulator.control import Simulator
from tests.simulator.client import US, Client, availability, patch

TYPES = f"/definitions/2020-09-01/productTypes?marketplaceIds={US}"


def names(client: Client, query: str) -> list[str]:
    return [one["name"] for one in client.call("GET", TYPES + query).json["productTypes"]]


def test_product_types_are_found_by_keyword(client: Client) -> None:
    assert names(client, "&keywords=luggage") == ["LUGGAGE"]
    assert names(client, "&keywords=lamp,luggage") == ["HOME_LIGHTING_AND_LAMPS", "LAMP", "LUGGAGE"]
    assert names(client, "&keywords=unheard-of") == []
    assert "SHOES" in names(client, "")


def test_keywords_and_item_name_exclude_each_other(client: Client) -> None:
    assert names(client, "&itemName=blue%20luggage") == ["LUGGAGE"]
    assert client.call("GET", f"{TYPES}&keywords=a&itemName=b").status == 400
    assert client.call("GET", f"{TYPES}&locale=en_IE").status == 400
    assert client.call("GET", TYPES.split("?", maxsplit=1)[0]).status == 400


def test_a_product_type_is_suddenly_not_supported(simulator: Simulator, client: Client) -> None:
    simulator.set_limits(withdrawn_product_types=["LUGGAGE"])

    report = client.process(patch("A", availability(quantity=1), productType="LUGGAGE"))

    assert names(client, "&keywords=luggage") == []
    assert report["issues"][0]["code"] == "4000003"
