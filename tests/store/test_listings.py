"""What Amazon says of SKUs, as it is stored."""

import pytest

from tests.store.shelf import want
from worker.database import Database
from worker.store import listings
from worker.store.flights import FALLBACK_PRODUCT_TYPE
from worker.store.listings import Linked


def link(stored: Database, connection_id: int, product_type: str | None) -> tuple[str, str]:
    """Link the SKU A; return its product type and where that comes from."""
    with stored.begin() as tx:
        listings.link(tx, connection_id, [Linked("A", product_type, None, ("DEFAULT",))], FALLBACK_PRODUCT_TYPE)
        found = tx.exec_driver_sql("SELECT product_type, product_type_source FROM listing").one()
    return found[0], found[1]


@pytest.mark.requirement("R67")
def test_a_linked_sku_keeps_amazons_product_type_and_its_changes_may_go(stored: Database, connection_id: int) -> None:
    with stored.begin() as tx:
        want(tx, connection_id, "A", quantity=1)

    assert link(stored, connection_id, "LUGGAGE") == ("LUGGAGE", "amazon")
    with stored.begin() as tx:
        assert tx.exec_driver_sql("SELECT state, linked FROM key_state").one() == ("ready", True)


@pytest.mark.requirement("R68")
def test_a_sku_without_a_product_type_gets_product_as_a_fallback(stored: Database, connection_id: int) -> None:
    assert link(stored, connection_id, None) == ("PRODUCT", "fallback")


@pytest.mark.requirement("R69")
def test_a_product_type_that_was_set_by_hand_stays(stored: Database, connection_id: int) -> None:
    link(stored, connection_id, "LUGGAGE")
    with stored.begin() as tx:
        tx.exec_driver_sql("UPDATE listing SET product_type = 'BOTTLE', product_type_source = 'manual'")

    assert link(stored, connection_id, "SHOES") == ("BOTTLE", "manual")


def test_the_most_urgent_keys_are_linked_first(stored: Database, connection_id: int) -> None:
    with stored.begin() as tx:
        want(tx, connection_id, "A", quantity=1)
        want(tx, connection_id, "B", message=2, quantity=0)

        assert listings.unlinked(tx, connection_id, 1) == ["B"]
