"""Connections in a real Postgres: applied, read, paused, copied."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, text

from worker.connection_file import FileRefused, ParsedConnection, parse
from worker.core.connections import Connection
from worker.database import Database, Transaction
from worker.errors import FeedlineError
from worker.secrets import Vault, new_key
from worker.store import connections, tokens

VAULT = Vault([new_key()])
CLIENT = "amzn1.application-oa2-client.ours"

US = """
  - name: US
    marketplace_id: ATVPDKIKX0DER
    selling_partner_id: A1SELLER
    refresh_token: Atzr|marked-secret
"""
CA = """
  - name: CA
    marketplace_id: A2EUQ1WTGCTBG2
    selling_partner_id: A1SELLER
    refresh_token: Atzr|marked-secret
"""


@pytest.fixture
def opened(database: str) -> Iterator[Database]:
    found = Database(database)
    yield found
    found.close()


@pytest.fixture
def tx(opened: Database) -> Iterator[Transaction]:
    with opened.begin() as transaction:
        yield transaction


def parsed(entries: str, further: str = "") -> tuple[ParsedConnection, ...]:
    return parse(f"version: 1\nconnections:{entries}{further}", environment={}, folder=Path())


def applied(tx: Transaction, entries: str, further: str = "", *, vault: Vault = VAULT) -> list[tuple[str, str]]:
    return [(change.connection, change.what) for change in connections.apply(tx, vault, parsed(entries, further), CLIENT)]


def current(tx: Transaction, name: str) -> Connection:
    return connections.current(tx, (name,))[name]


@pytest.mark.requirement("R2", "R5", "R15")
def test_apply_makes_a_connection_ready(tx: Transaction) -> None:
    changes = applied(tx, US)

    found = current(tx, "US")
    assert changes == [("US", "created")]
    assert (found.paused, found.revision, found.marketplace.currency) == (False, 1, "USD")
    assert found.seller.account.selling_partner_id == "A1SELLER"
    assert found.seller.account.client_id == CLIENT
    assert found.language_tag == "en_US"


@pytest.mark.requirement("R15")
def test_applying_the_same_file_again_changes_nothing(tx: Transaction) -> None:
    applied(tx, US + CA)

    assert applied(tx, US + CA) == []
    assert current(tx, "US").revision == 1


def test_connections_of_one_seller_in_one_region_share_an_account(tx: Transaction) -> None:
    applied(tx, US + CA)

    assert current(tx, "US").seller.account == current(tx, "CA").seller.account
    assert tx.execute(text("SELECT count(*) FROM account")).scalar_one() == 1


def test_connections_that_are_not_in_the_file_stay_as_they_are(tx: Transaction) -> None:
    applied(tx, US)

    assert applied(tx, CA) == [("CA", "created")]
    assert [found.name for found in connections.all(tx)] == ["CA", "US"]


def test_a_changed_setting_makes_a_new_revision_and_is_told(tx: Transaction) -> None:
    applied(tx, US)
    before = current(tx, "US")

    changes = applied(tx, US + "    sync_listings: {template: {quantity: {field: stock}, price: {value: 19.90}}}\n")

    after = current(tx, "US")
    assert changes == [
        ("US", "sync_listings.template.handling_time removed"),
        ("US", "sync_listings.template.price.field removed"),
        ("US", "sync_listings.template.price.value added: 19.90"),
        ("US", 'sync_listings.template.quantity.field: "quantity" -> "stock"'),
    ]
    assert (before.revision, after.revision) == (1, 2)
    assert after.settings.sync_template is not before.settings.sync_template


def test_a_constant_price_keeps_its_digits_in_the_database(tx: Transaction) -> None:
    template = "    sync_listings: {{template: {{quantity: {{field: q}}, price: {{value: {}}}}}}}\n"
    applied(tx, US + template.format("19.90"))

    assert str(current(tx, "US").settings.sync_listings.template["price"].value) == "19.90"
    assert applied(tx, US + template.format("19.90")) == []
    assert applied(tx, US + template.format("19.9")) == [("US", "sync_listings.template.price.value: 19.90 -> 19.9")]


@pytest.mark.requirement("R4")
def test_secrets_are_sealed_and_a_changed_one_is_told_without_its_value(tx: Transaction) -> None:
    applied(tx, US)
    sealed = bytes(tx.execute(text("SELECT refresh_token FROM account")).scalar_one())

    changes = applied(tx, US.replace("marked-secret", "newer-secret"))

    assert b"marked-secret" not in sealed
    assert changes == [("US", "refresh_token changed")]
    assert "secret" not in repr(current(tx, "US")).replace("client_secret", "")
    assert current(tx, "US").revision == 1


@pytest.mark.parametrize("token", ["marked-secret", "newer-secret"])
def test_access_that_was_refused_is_asked_for_again_when_the_file_is_applied(tx: Transaction, token: str) -> None:
    applied(tx, US + CA)
    tx.execute(
        text(
            "UPDATE account SET authorization_fault = 'gone', access_token = 'x', access_expires_at = now(), token_generation = 7, "
            "login_not_before = now() + interval '15 minutes'"
        )
    )

    told = applied(tx, (US + CA).replace("marked-secret", token))

    row = tx.execute(text("SELECT access_token, access_expires_at, token_generation FROM account")).one()
    assert tuple(row) == (None, None, 8)
    assert told[-1] == ("US", "access was refused; Amazon is asked again")
    assert tokens.to_probe(tx) == [current(tx, "US").id]
    assert applied(tx, (US + CA).replace("marked-secret", token)) == []


def test_what_no_key_opens_any_more_is_sealed_again_by_applying_the_file(tx: Transaction) -> None:
    applied(tx, US)
    vault = Vault([new_key()])

    assert applied(tx, US, vault=vault) == [("US", "refresh_token changed")]
    assert applied(tx, US, vault=vault) == []


def test_an_application_of_its_own_gives_the_connection_another_account(tx: Transaction) -> None:
    applied(tx, US)

    changes = applied(
        tx, US + "    application: {client_id: theirs, client_secret: marked-secret, usage_plans: {createFeed: {rate: 0.5, burst: 9}}}\n"
    )

    assert current(tx, "US").seller.account.client_id == "theirs"
    assert ("US", "application changed") in changes
    plans = tx.execute(text("SELECT usage_plans FROM account WHERE client_id = 'theirs'")).scalar_one()
    assert plans == {"createFeed": {"rate": 0.5, "burst": 9}}


def test_the_default_application_has_the_same_credentials_where_the_file_names_it(tx: Transaction) -> None:
    ours = f"    application: {{client_id: {CLIENT}, client_secret: marked-secret}}\n"

    with pytest.raises(FileRefused) as refused:
        applied(tx, US + CA + ours)
    applied(tx, US + ours + CA + ours)

    (fault,) = refused.value.faults
    assert (fault.line, fault.issue.code, fault.issue.field, fault.issue.value) == (8, "SELLER_DISAGREES", "application", "US")
    assert "marked-secret" not in str(refused.value)
    assert applied(tx, US + ours + CA + ours) == []


def test_a_connection_that_was_paused_by_hand_stays_paused_when_the_file_does_not_say(tx: Transaction) -> None:
    applied(tx, US)
    connections.pause(tx, "US")

    assert applied(tx, US) == []
    assert current(tx, "US").paused
    assert applied(tx, US + "    paused: false\n") == [("US", "resumed")]
    assert not current(tx, "US").paused


def test_pause_and_resume_say_whether_they_changed_anything(tx: Transaction) -> None:
    applied(tx, US)

    assert [connections.pause(tx, "US"), connections.pause(tx, "US")] == [True, False]
    assert [connections.resume(tx, "US"), connections.resume(tx, "US")] == [True, False]
    with pytest.raises(FeedlineError, match="no connection named nobody"):
        connections.pause(tx, "nobody")


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (US.replace("ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"), "marketplace_id"),
        (US.replace("A1SELLER", "A2SELLER"), "selling_partner_id"),
        (US + "    sku_prefix: AMZ-\n", "sku_prefix"),
    ],
)
def test_a_connection_in_use_is_not_moved_to_other_listings(tx: Transaction, entry: str, named: str) -> None:
    applied(tx, US)
    tx.execute(
        text(
            """INSERT INTO key_state (connection_id, kind, key, state, versions) SELECT id, 'listings', 'X', 'idle', '{}' FROM connection"""
        )
    )

    with pytest.raises(FileRefused) as refused:
        applied(tx, entry)

    assert [(fault.line, fault.issue.code) for fault in refused.value.faults] == [(3, "CONNECTION_MOVED")]
    assert named in refused.value.faults[0].issue.message


@pytest.mark.parametrize(
    "known",
    [
        "imported_listing (connection_id, sku, first_seen_at, updated_at) SELECT id, 'X', now(), now()",
        "amazon_order (connection_id, amazon_order_id, status, updated_at) SELECT id, '902-3159896-1390916', 'UNSHIPPED', now()",
        "order_window (connection_id, since, until) SELECT id, now(), now()",
    ],
    ids=["listings", "orders", "times whose orders were got"],
)
def test_a_connection_that_only_imports_is_in_use_too(tx: Transaction, known: str) -> None:
    applied(tx, US)
    tx.exec_driver_sql(f"INSERT INTO {known} FROM connection")

    with pytest.raises(FileRefused):
        applied(tx, US.replace("A1SELLER", "A2SELLER"))


def test_a_connection_that_nothing_is_known_of_may_be_moved(tx: Transaction) -> None:
    applied(tx, US)

    applied(tx, US.replace("ATVPDKIKX0DER", "A1PA6795UKMFR9"))

    assert current(tx, "US").marketplace.country == "DE"
    assert current(tx, "US").seller.account.region == "EU"


@pytest.mark.requirement("R70")
def test_a_copy_is_paused_and_has_the_same_templates_and_credentials(tx: Transaction) -> None:
    applied(tx, US + "    sync_listings: {template: {quantity: {field: stock}}}\n")

    connections.duplicate(tx, "US", "US, trial")

    copy, original = current(tx, "US, trial"), current(tx, "US")
    assert copy.paused
    assert copy.settings.name == "US, trial"
    assert copy.settings.sync_listings == original.settings.sync_listings
    assert copy.seller.account == original.seller.account
    with pytest.raises(FeedlineError, match="already"):
        connections.duplicate(tx, "US", "US, trial")


def test_reading_current_connections_costs_one_query_once_their_settings_are_known(tx: Transaction) -> None:
    applied(tx, US + CA)
    first = connections.current(tx, {"US", "CA"})
    statements: list[str] = []
    event.listen(tx, "before_cursor_execute", lambda _conn, _cursor, statement, *_rest: statements.append(statement))

    second = connections.current(tx, {"US", "CA", "nobody"})

    assert len(statements) == 1
    assert second == first
    assert second["US"].settings is first["US"].settings


def test_a_connection_is_found_by_its_id(tx: Transaction) -> None:
    applied(tx, US)

    assert connections.by_id(tx, current(tx, "US").id) == current(tx, "US")
    assert connections.by_id(tx, 999) is None
