"""A worker process that makes one call, as late as it must, and prints last what Amazon said: `one_call DATABASE SIMULATOR ACCOUNT_ID`."""

import sys
from threading import Event

from ops.simulator.control import Simulator
from tests.amazon.accounts import CREDENTIALS, seller_of, start_worker
from worker.core.accounts import Account
from worker.core.ids import AccountId
from worker.core.marketplaces import Region
from worker.errors import Later, Refused


def main(database_url: str, simulator_url: str, account_id: str) -> None:
    worker = start_worker(database_url, Simulator(simulator_url))
    account = Account(AccountId(int(account_id)), CREDENTIALS.client_id, CREDENTIALS.seller_id, Region.NA)
    while True:
        try:
            worker.amazon.get_feed(seller_of(account), "1")
        except Later as later:
            worker.clock.wait(Event(), max(0.0, (later.at - worker.clock.now()).total_seconds()))
        except Refused as refused:
            print(refused.code)
            break
    worker.close()


main(*sys.argv[1:])
