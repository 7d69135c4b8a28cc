"""The JSON Schema that editors use says what the parser says."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from schema import connection_file

HERE = Path(__file__).parent
ENTRY = {"name": "US", "marketplace_id": "ATVPDKIKX0DER", "selling_partner_id": "A1", "refresh_token": "x"}


def is_valid(file: Any) -> bool:
    return jsonschema_rs.validator_for(json.loads(connection_file.written())).is_valid(file)


def test_the_published_schema_is_that_of_the_code() -> None:
    message = "run this to refresh: python -m schema.connection_file"

    assert connection_file.PATH.read_text(encoding="utf-8") == connection_file.written(), message


@pytest.mark.parametrize("path", [HERE / "defaults.yaml", HERE.parents[1] / "examples" / "connection.yaml"], ids=lambda path: path.name)
def test_good_files_are_valid(path: Path) -> None:
    assert is_valid(YAML(typ="safe", pure=True).load(path.read_text()))


@pytest.mark.parametrize(
    "further",
    [
        {"sku_prefx": "x"},
        {"marketplace_id": "nowhere"},
        {"fulfillment_channel": "AMAZON_XX"},
        {"sync_listings": {"template": {"price": "dont_mapp"}}},
        {"import_listings": {"save": []}},
        {"get_orders": {"every": 15}},
    ],
)
def test_what_can_be_judged_where_it_stands_is_refused_by_the_schema_too(further: dict[str, Any]) -> None:
    assert is_valid({"version": 1, "connections": [ENTRY]})
    assert not is_valid({"version": 1, "connections": [{**ENTRY, **further}]})
