"""Every answer of the simulator, held against Amazon's published models."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs

SCHEMAS = Path(__file__).parents[2] / "schema" / "amazon"
_APIS = (
    "feeds_2021-06-30",
    "listingsItems_2021-08-01",
    "definitionsProductTypes_2020-09-01",
    "orders_2026-01-01",
    "reports_2021-06-30",
    "sellers",
)


class _Operation(NamedTuple):
    method: str
    path: re.Pattern[str]
    responses: dict[str, Any]
    definitions: dict[str, Any]


@cache
def _operations() -> list[_Operation]:
    found = []
    for api in _APIS:
        model = json.loads((SCHEMAS / f"{api}.json").read_bytes())
        for path, methods in model["paths"].items():
            pattern = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path))
            for method, operation in methods.items():
                if method != "parameters":
                    found.append(_Operation(method.upper(), pattern, operation["responses"], model["definitions"]))
    return found


def check_answer(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Fail unless Amazon's model has such an answer: its status, its headers, its body."""
    operation = next(one for one in _operations() if one.method == method and one.path.fullmatch(path))
    response = operation.responses[str(status)]
    assert headers["x-amzn-RequestId"]
    declared = "x-amzn-RateLimit-Limit" in response.get("headers", {})
    assert ("x-amzn-RateLimit-Limit" in headers) == declared, f"{method} {path} {status}: rate header"
    if "schema" in response:
        validator_of(response["schema"]["$ref"], operation.definitions).validate(json.loads(body))
    else:
        assert body == b""


def validator_of(reference: str, definitions: dict[str, Any]) -> Any:
    return jsonschema_rs.validator_for({"$ref": reference, "definitions": definitions})


@cache
def feed_schema(name: str) -> Any:
    """The validator of one of Amazon's feed schemas: listings-feed-schema-v2 and so on."""
    return jsonschema_rs.validator_for(json.loads((SCHEMAS / f"{name}.json").read_bytes()))


def check_report(report: bytes) -> dict[str, Any]:
    """The processing report as JSON, valid against Amazon's schema, its counters in step with its issues."""
    parsed: dict[str, Any] = json.loads(report)
    feed_schema("listings-feed-processing-report-schema-v2").validate(parsed)
    definitions = json.loads((SCHEMAS / "listingsItems_2021-08-01.json").read_bytes())["definitions"]
    item = validator_of("#/definitions/Item", definitions)
    for one in parsed.get("items", []):
        item.validate(one)
    severities = [issue["severity"] for issue in parsed["issues"]]
    assert parsed["summary"]["errors"] == severities.count("ERROR")
    assert parsed["summary"]["warnings"] == severities.count("WARNING")
    return parsed
