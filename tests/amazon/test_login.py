"""Login with Amazon over HTTP: once for the fleet, once more when Amazon says so, and never in a loop."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from ops.simulator.control import Simulator
from tests.amazon.accounts import CREDENTIALS, KEY, VAULT, Worker
from tests.amazon.conftest import StartWorker
from worker.core.accounts import Seller
from worker.errors import Later, NotAuthorized, Refused
from worker.store import tokens


def logins(simulator: Simulator) -> int:
    return sum(simulator.call_counts().get("token", {}).values())


def ask(worker: Worker, seller: Seller) -> str:
    """Any call: the feed is unknown, which only an authorised caller learns."""
    with pytest.raises(Refused) as refused:
        worker.amazon.get_feed(seller, "1")
    return refused.value.code


def change(worker: Worker, assignment: str) -> None:
    with worker.database.begin() as tx:
        tx.execute(text(f"UPDATE account SET {assignment}"))


@pytest.mark.requirement("R12", "R13")
def test_an_expired_token_is_renewed_once_and_the_call_succeeds(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    assert ask(worker, seller) == "NotFound"
    assert ask(worker, seller) == "NotFound"
    assert logins(simulator) == 1

    change(worker, "access_expires_at = clock_timestamp(), access_renew_at = clock_timestamp()")

    assert ask(worker, seller) == "NotFound"
    assert logins(simulator) == 2


@pytest.mark.requirement("R14")
def test_twelve_workers_with_an_expired_token_log_in_once(simulator: Simulator, new_worker: StartWorker, seller: Seller) -> None:
    workers = [new_worker() for _ in range(12)]
    simulator.fault("slow", operation="token", seconds=0.5)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda worker: ask(worker, seller), workers))

    assert answers == ["NotFound"] * 12
    assert logins(simulator) == 1


@pytest.mark.requirement("R14")
def test_processes_that_share_nothing_but_postgres_log_in_once(simulator: Simulator, database: str, seller: Seller) -> None:
    simulator.fault("slow", operation="token", seconds=2)
    command = [sys.executable, "-m", "tests.amazon.one_call", database, simulator.url, str(seller.account.id)]

    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = [process.communicate(timeout=60)[0].splitlines()[-1] for process in processes]

    assert printed == ["NotFound"] * 3
    assert logins(simulator) == 1


@pytest.mark.requirement("R13")
def test_a_token_that_amazon_calls_expired_is_renewed_once_for_all_who_hear_it(
    simulator: Simulator, new_worker: StartWorker, seller: Seller
) -> None:
    # Twice six calls and one: getFeed's burst is 15.
    workers = [new_worker() for _ in range(6)]
    assert ask(workers[0], seller) == "NotFound"
    simulator.revoke_access_tokens(CREDENTIALS.seller_id)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda worker: ask(worker, seller), workers))

    assert answers == ["NotFound"] * 6
    assert logins(simulator) == 2


def test_a_fresh_token_that_amazon_refuses_stops_the_account(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    simulator.fault("token_revoked", count="always")

    for _ in range(3):
        with pytest.raises(NotAuthorized, match="refuses a fresh access token"):
            worker.amazon.get_feed(seller, "1")

    assert logins(simulator) == 2


@pytest.mark.requirement("R12")
@pytest.mark.parametrize(("fault", "says"), [("refresh_revoked", "invalid_grant"), ("client_invalid", "invalid_client")])
def test_when_the_authorisation_is_gone_the_account_says_so_and_stops(
    simulator: Simulator, new_worker: StartWorker, seller: Seller, fault: str, says: str
) -> None:
    simulator.fault(fault, count="always")

    for _ in range(3):
        with pytest.raises(NotAuthorized, match=says):
            new_worker().amazon.get_feed(seller, "1")

    assert logins(simulator) == 1
    with new_worker().database.begin() as tx:
        written = tx.execute(text("SELECT authorization_fault FROM account")).scalar_one()
    assert says in written
    assert CREDENTIALS.refresh_token not in written


def test_while_the_fault_stands_one_probe_in_a_quarter_of_an_hour_finds_the_repair(
    simulator: Simulator, worker: Worker, seller: Seller
) -> None:
    simulator.fault("refresh_revoked", count=2)
    with pytest.raises(NotAuthorized):
        worker.amazon.get_feed(seller, "1")

    change(worker, "login_not_before = clock_timestamp()")
    with pytest.raises(NotAuthorized):
        worker.amazon.get_feed(seller, "1")
    with pytest.raises(NotAuthorized):
        worker.amazon.get_feed(seller, "1")
    assert logins(simulator) == 2

    change(worker, "login_not_before = clock_timestamp()")
    assert ask(worker, seller) == "NotFound"
    assert logins(simulator) == 3


def test_new_credentials_are_tried_at_once(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    simulator.fault("refresh_revoked")
    with pytest.raises(NotAuthorized):
        worker.amazon.get_feed(seller, "1")

    with worker.database.begin() as tx:
        tokens.forget(tx, seller.account.id)

    assert ask(worker, seller) == "NotFound"


def test_while_login_is_away_the_valid_token_is_used_and_nobody_asks_in_a_loop(
    simulator: Simulator, worker: Worker, seller: Seller
) -> None:
    assert ask(worker, seller) == "NotFound"
    simulator.fault("error_before", operation="token", status=503, body="html", count="always")
    change(worker, "access_renew_at = clock_timestamp()")

    assert [ask(worker, seller) for _ in range(5)] == ["NotFound"] * 5

    assert logins(simulator) == 2


@pytest.mark.parametrize("fault", ["error_before", "drop_before", "drop_after"])
def test_while_login_is_away_and_no_token_is_left_calls_wait_longer_each_time(
    simulator: Simulator, worker: Worker, seller: Seller, fault: str
) -> None:
    simulator.fault(fault, operation="token", count=2)
    waits = []
    for _ in range(2):
        with pytest.raises(Later) as later:
            worker.amazon.get_feed(seller, "1")
        waits.append((later.value.at - worker.clock.now()).total_seconds())
        change(worker, "login_not_before = clock_timestamp()")

    assert 1 < waits[0] < 3.1
    assert 3 < waits[1] < 6.1
    assert ask(worker, seller) == "NotFound"


def test_a_call_does_not_wait_for_ever_for_another_workers_renewal(worker: Worker, seller: Seller) -> None:
    with worker.database.begin() as tx:
        assert tokens.claim(tx, VAULT, seller.account.id, 0, lease_seconds=20) is not None

    with pytest.raises(Later, match="another worker"):
        worker.amazon.get_feed(seller, "1")


def test_a_connection_without_a_secret_of_its_own_uses_the_settings(simulator: Simulator, worker: Worker, seller: Seller) -> None:
    change(worker, "client_secret = NULL")

    with pytest.raises(NotAuthorized, match="invalid_client"):
        worker.amazon.get_feed(seller, "1")


@pytest.mark.requirement("R4")
def test_no_secret_is_in_what_is_raised_logged_or_printed(
    simulator: Simulator, worker: Worker, seller: Seller, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    simulator.fault("token_expired")
    ask(worker, seller)
    with worker.database.begin() as tx:
        token = tokens.look(tx, VAULT, seller.account.id).token
    simulator.fault("refresh_revoked")
    change(worker, "access_token = NULL")
    with pytest.raises(NotAuthorized) as error:
        worker.amazon.get_feed(seller, "1")

    output = capsys.readouterr()
    printed = f"{output.out} {output.err} {caplog.text} {error.getrepr(style='long')} {token!r} {worker.amazon!r} {vars(worker.amazon)!r}"
    assert token is not None
    secrets = (token.secret.reveal(), CREDENTIALS.refresh_token, CREDENTIALS.client_secret, KEY)
    assert not [secret for secret in secrets if secret in printed]
    assert "token_renewed" in printed
