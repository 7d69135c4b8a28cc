"""The XML of POST_ORDER_FULFILLMENT_DATA: element order, escaping, nothing empty."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from worker.core import fulfillment_document as document
from worker.core.fulfillment_document import Item
from worker.core.parcels import Parcel
from worker.core.texts import unwanted_character

GOLDEN = Path(__file__).parent / "golden" / "fulfillment_document.xml"
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parents[2] / "schema" / "amazon" / "order-fulfillment.xsd"))
NOW = datetime(2026, 8, 6, 12, tzinfo=UTC)
LEFT_AT = datetime(2026, 8, 5, 10, 15, tzinfo=UTC)
ORDER = "114-1234567-1234567"


def whole(*bodies: bytes, first: int = 1) -> bytes:
    return document.assemble(document.header("A1EXAMPLESELLER", "en_US"), bodies, first)


def ups(**given: Any) -> Parcel:
    return Parcel(
        **{
            "shipped_at": LEFT_AT,
            "carrier_code": "UPS",
            "shipping_method": "Ground",
            "tracking_number": "1Z9999990399999999",
            **given,
        }
    )


def found(body: bytes, path: str) -> list[str]:
    return [element.text or "" for element in etree.fromstring(body).iterfind(path)]


@pytest.mark.requirement("R81", "R97", "R104")
def test_the_document_is_the_golden_one_to_the_byte() -> None:
    gls = Parcel(shipped_at=LEFT_AT, carrier_code="Other", carrier_name='GLS <US> & "Sons"', tracking_number="500123456")
    bodies = (
        document.body(ORDER, ups(), [Item("11498765431234", 2), Item("11498765431235", 1)], NOW),
        document.body("114-7654321-7654321", gls, [Item("11498765431299", None)], NOW),
        document.body("114-7654321-7654322", Parcel(shipped_at=LEFT_AT), [Item("11498765431300", 1)], NOW),
    )

    written = whole(*bodies, first=25)

    head, *rest = GOLDEN.read_text("utf-8").splitlines()
    assert written.decode() == f"{head}\n" + "".join(line.strip() for line in rest)
    SCHEMA.assertValid(etree.fromstring(written))


def test_elements_without_content_are_left_out() -> None:
    body = document.body(ORDER, ups(shipping_method=None, tracking_number=None), [Item("1", None)], NOW)

    assert not [element.tag for element in etree.fromstring(body).iter() if len(element) == 0 and not element.text]
    SCHEMA.assertValid(etree.fromstring(whole(body)))


def test_the_time_is_in_utc_and_never_in_the_future() -> None:
    zone = datetime.fromisoformat("2026-08-05T23:30:00.750-07:00")
    bodies = [document.body(ORDER, ups(shipped_at=at), [], NOW) for at in (zone, NOW + timedelta(hours=5))]

    assert [found(body, "FulfillmentDate") for body in bodies] == [["2026-08-06T06:30:00+00:00"], ["2026-08-06T12:00:00+00:00"]]


def test_the_size_counts_what_stands_around_a_message_and_its_number() -> None:
    body = document.body(ORDER, ups(), [Item("1", 1)], NOW)
    last = 2_147_483_647

    assert len(whole(body, first=last)) == len(whole()) + document.size(body)


def _is_clean(text: str) -> bool:
    return unwanted_character(text) is None


CLEAN = st.text(min_size=1, max_size=50).filter(_is_clean)


@given(CLEAN, CLEAN, CLEAN)
def test_whatever_text_is_let_in_is_well_formed_and_comes_back_as_it_was(name: str, method: str, number: str) -> None:
    parcel = ups(carrier_code="Other", carrier_name=name, shipping_method=method, tracking_number=number)

    written = whole(document.body(ORDER, parcel, [Item("1", 1)], NOW))

    root = etree.fromstring(written)
    data = root.find("Message/OrderFulfillment/FulfillmentData")
    assert data is not None
    assert [element.text for element in data] == ["Other", name, method, number]
    SCHEMA.assertValid(root)
