"""The token columns in Postgres: one lease for the fleet, generations, faults; everything sealed."""

import pytest
from sqlalchemy import text

from tests.amazon.accounts import CREDENTIALS, VAULT
from worker.core.ids import AccountId
from worker.database import Database
from worker.secrets import Secret
from worker.store import tokens
from worker.store.tokens import Claim


def look(stored: Database, account_id: AccountId) -> tokens.Held:
    with stored.begin() as tx:
        return tokens.look(tx, VAULT, account_id)


def claim(stored: Database, account_id: AccountId, generation: int = 0, lease_seconds: float = 20) -> Claim | None:
    with stored.begin() as tx:
        return tokens.claim(tx, VAULT, account_id, generation, lease_seconds=lease_seconds)


def store(stored: Database, claimed: Claim | None, token: str = "Atza|one", refresh_token: str | None = None) -> None:
    assert claimed is not None
    rotated = None if refresh_token is None else Secret(refresh_token)
    with stored.begin() as tx:
        tokens.store(tx, VAULT, claimed, Secret(token), rotated, life_seconds=3600, fresh_seconds=3540)


@pytest.mark.requirement("R14")
def test_one_worker_renews_and_the_others_find_it_taken(stored: Database, account_id: AccountId) -> None:
    first, second = claim(stored, account_id), claim(stored, account_id)

    assert first is not None
    assert first.credentials.refresh_token == Secret(CREDENTIALS.refresh_token)
    assert second is None


def test_a_stored_token_is_a_new_generation_and_the_old_one_cannot_be_claimed_again(stored: Database, account_id: AccountId) -> None:
    store(stored, claim(stored, account_id))

    held = look(stored, account_id)
    assert held.token == (Secret("Atza|one"), 1)
    assert held.is_fresh
    assert claim(stored, account_id, generation=0) is None


def test_when_the_renewing_worker_dies_another_takes_over_and_the_late_answer_changes_nothing(
    stored: Database, account_id: AccountId
) -> None:
    dead = claim(stored, account_id, lease_seconds=0)
    store(stored, claim(stored, account_id), "Atza|second")

    store(stored, dead, "Atza|late")

    assert look(stored, account_id).token == (Secret("Atza|second"), 1)


@pytest.mark.requirement("R12")
def test_after_a_fault_nobody_claims_until_the_probe_is_due(stored: Database, account_id: AccountId) -> None:
    claimed = claim(stored, account_id)
    assert claimed is not None

    with stored.begin() as tx:
        tokens.fault(tx, account_id, claimed.generation, "gone", probe_seconds=900)

    held = look(stored, account_id)
    assert held.fault == "gone"
    assert held.closed_seconds == pytest.approx(900, abs=5)
    assert claim(stored, account_id) is None
    with stored.begin() as tx:
        tx.execute(text("UPDATE account SET login_not_before = clock_timestamp()"))
    assert claim(stored, account_id) is not None


def test_changed_credentials_clear_the_token_and_may_be_tried_at_once_while_the_fault_stands(
    stored: Database, account_id: AccountId
) -> None:
    store(stored, claim(stored, account_id))
    with stored.begin() as tx:
        tokens.fault(tx, account_id, 1, "gone", probe_seconds=900)

    with stored.begin() as tx:
        tokens.forget(tx, account_id)

    held = look(stored, account_id)
    assert (held.token, held.fault) == (None, "gone")
    assert held.closed_seconds <= 0
    assert claim(stored, account_id, held.generation) is not None


def test_a_rotated_refresh_token_is_kept(stored: Database, account_id: AccountId) -> None:
    store(stored, claim(stored, account_id), refresh_token="Atzr|rotated")

    again = claim(stored, account_id, generation=1)

    assert again is not None
    assert again.credentials.refresh_token == Secret("Atzr|rotated")


@pytest.mark.requirement("R4")
def test_nothing_secret_rests_in_the_clear_or_prints(stored: Database, account_id: AccountId) -> None:
    claimed = claim(stored, account_id)
    store(stored, claimed)

    with stored.begin() as tx:
        row = tx.execute(text("SELECT account::text FROM account")).scalar_one()
        sealed = tx.execute(text("SELECT access_token || refresh_token || client_secret FROM account")).scalar_one()

    secrets = ("Atza|one", CREDENTIALS.refresh_token, CREDENTIALS.client_secret)
    printed = f"{row} {sealed!r} {claimed!r} {look(stored, account_id)!r}"
    assert not [secret for secret in secrets if secret in printed]
    assert "Secret(" in printed


def test_an_account_that_does_not_exist_is_named(stored: Database) -> None:
    with pytest.raises(LookupError, match="no account 77"):
        look(stored, AccountId(77))
