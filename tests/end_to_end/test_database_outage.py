"""Postgres goes away under a running worker, and comes back."""

from collections.abc import Callable, Mapping

import pytest

from ops.services import PostgresServer
from schema.migrate import upgrade
from tests.end_to_end.ledger import Ledger
from tests.end_to_end.upstream import Upstream
from tests.eventually import eventually
from tests.worker_process import WorkerProcess

StartWorker = Callable[..., WorkerProcess]

PROMISED_SECONDS = 10


@pytest.fixture
def database(private_postgres: PostgresServer) -> str:
    """A server of this test's own, in place of the session's."""
    upgrade(private_postgres.url)
    return private_postgres.url


@pytest.mark.requirement("R113", "R116", "R123")
@pytest.mark.parametrize("go_away", [PostgresServer.stop, PostgresServer.kill])
def test_a_worker_outlives_postgres_and_stages_everything_afterwards(
    upstream: Upstream,
    worker: StartWorker,
    simulated: Mapping[str, str],
    private_postgres: PostgresServer,
    ledger: Ledger,
    go_away: Callable[[PostgresServer], None],
) -> None:
    running = worker(simulated).wait_ready()
    upstream.listen()
    before, during = 600, 50
    upstream.publish(*({"sku": f"MUG-{number % 100 + 1}", "quantity": number} for number in range(1, before + 1)))

    go_away(private_postgres)
    upstream.publish(*({"sku": f"MUG-{number}", "quantity": number} for number in range(101, 101 + during)), source="during")
    eventually(lambda: not running.is_ready(), PROMISED_SECONDS)
    assert running.get("/healthz")[0] == 200, "an outage is no reason to be killed"
    private_postgres.start()

    eventually(running.is_ready, PROMISED_SECONDS)
    ledger.let_claims_run_out()
    eventually(lambda: ledger.is_drained(before + during), 60)
    assert running.exit_code is None, "it is the same process"
    assert {len(outcomes) for outcomes in ledger.outcomes().values()} <= {1, 2}, "ids m1 to m50 come from two sources"
    assert upstream.item("MUG-101")["quantity"] == 101


@pytest.mark.requirement("R125")
def test_a_worker_asked_to_stop_while_postgres_is_away_gives_back_what_it_holds(
    upstream: Upstream, worker: StartWorker, simulated: Mapping[str, str], private_postgres: PostgresServer, ledger: Ledger
) -> None:
    running = worker(simulated).wait_ready()
    upstream.listen()
    private_postgres.stop()
    upstream.publish(*({"sku": f"MUG-{number}", "quantity": number} for number in range(1, 101)))
    eventually(lambda: running.logged("staging_waits_for_database"), 20)

    assert running.terminate(within_seconds=PROMISED_SECONDS) == 0

    assert upstream.waiting() == 100
    private_postgres.start()
    worker(simulated)
    eventually(lambda: ledger.is_drained(100), 60)
    assert {outcome for outcomes in ledger.outcomes().values() for outcome in outcomes} == {"accepted"}
