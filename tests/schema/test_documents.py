"""The published documents say what the code does."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from schema import documents
from schema.documents import FOLDER, INCOMING, OUTGOING, Incoming, Outgoing, example_event, incoming_schema, outgoing_schema
from worker.broker import topology
from worker.core.messages import Message, read
from worker.core.wire import Delivery, decode

NOW = datetime(2026, 2, 1, tzinfo=UTC)


def by_type(case: Incoming | Outgoing) -> str:
    return case.kind


def taken(event: object) -> bool:
    [decoded] = decode(Delivery("q", json.dumps(event).encode()))
    return isinstance(read(decoded, now=NOW), Message)


def valid(message: Incoming, event: object) -> bool:
    return jsonschema_rs.validator_for(incoming_schema(message), validate_formats=True).is_valid(event)


@pytest.mark.requirement("R114")
@pytest.mark.parametrize("path", sorted(documents.documents()), ids=lambda path: path.name)
def test_the_committed_document_is_what_the_code_says(path: Path) -> None:
    assert path.is_file(), "run this to refresh: python -m schema.documents"
    assert path.read_text(encoding="utf-8") == documents.documents()[path], "run this to refresh: python -m schema.documents"


def test_no_other_document_lies_about() -> None:
    assert set((FOLDER / "messages").iterdir()) == {path for path in documents.documents() if path.parent.name == "messages"}


@pytest.mark.requirement("R114")
@pytest.mark.parametrize("case", [*INCOMING, *OUTGOING], ids=by_type)
def test_every_schema_is_one_and_its_example_is_valid(case: Incoming | Outgoing) -> None:
    schema = incoming_schema(case) if isinstance(case, Incoming) else outgoing_schema(case)

    jsonschema_rs.meta.validate(schema)
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(schema["examples"][0])


@pytest.mark.requirement("R114")
@pytest.mark.parametrize("message", INCOMING, ids=by_type)
def test_the_example_of_a_message_is_taken_at_the_door(message: Incoming) -> None:
    assert taken(example_event(message.kind, message.example))


@pytest.mark.parametrize("message", INCOMING, ids=by_type)
@pytest.mark.parametrize("attribute", ["specversion", "id", "source", "type", "data"])
def test_schema_and_door_ask_for_the_same_attributes(message: Incoming, attribute: str) -> None:
    event = example_event(message.kind, message.example)
    del event[attribute]

    assert not valid(message, event)
    if attribute != "specversion":
        assert not taken(event)


def fields_of(message: Incoming) -> Iterator[tuple[str, object]]:
    yield "connection", ""
    yield "connection", 7
    if "sku" in message.example:
        yield "sku", "s" * 41
        yield "sku", 7
    else:
        yield "amazon_order_id", "902"
        yield "shipped_at", "2026-01-31"
        yield "carrier", "c" * 51
        yield "items", [{"sku": "s", "quantity": 0}]
        yield "items", None


@pytest.mark.parametrize(("message", "field", "value"), [(message, *wrong) for message in INCOMING for wrong in fields_of(message)])
def test_schema_and_door_refuse_the_same_data(message: Incoming, field: str, value: object) -> None:
    event = example_event(message.kind, {**message.example, field: value})

    assert not valid(message, event)
    assert not taken(event)


@pytest.mark.parametrize(
    ("field", "value", "is_right"),
    [
        ("price", "19.99", True),
        ("price", 19.99, True),
        ("price", None, True),
        ("price", "1,99", False),
        ("price", -1, False),
        ("quantity", 0, True),
        ("quantity", -3, True),
        ("quantity", 1.5, False),
        ("handling_time", 30, True),
        ("handling_time", 31, False),
        ("handling_time", -1, False),
        ("warehouse", {"any": "thing"}, True),
    ],
)
def test_the_inventory_schema_describes_what_the_usual_template_takes(field: str, value: object, is_right: bool) -> None:
    inventory = INCOMING[0]

    assert valid(inventory, example_event(inventory.kind, {**inventory.example, field: value})) is is_right


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "$ref")
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document: Any = YAML(typ="safe", pure=True).load((FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))

    found = list(references(document))

    assert document["asyncapi"] == "3.0.0"
    assert found
    for reference in found:
        if reference.startswith("#/"):
            part = document
            for step in reference[2:].split("/"):
                part = part[step]
        else:
            assert (FOLDER / reference).is_file()


def test_every_ingest_queue_is_described() -> None:
    text = (FOLDER / "asyncapi.yaml").read_text(encoding="utf-8")

    assert all(queue in text for queue in topology.INGEST_QUEUES)
