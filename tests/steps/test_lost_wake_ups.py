"""A wake-up may be lost with the broker or the worker that had it: it is sent again soon, not when a piece of work would have timed out."""

import pytest

from tests.steps.shop import Shop
from worker.core.ids import FeedId
from worker.core.kinds import Kind
from worker.core.states import FeedState
from worker.steps.conduct import AGAIN_SECONDS, conduct


class Deaf:
    """Loses every wake-up, and counts them by name."""

    def __init__(self) -> None:
        self.lost: list[str] = []

    def cut(self, connection_id: int, kind: Kind) -> None:
        self.lost.append("cut")

    def feed(self, feed_id: FeedId, state: FeedState) -> None:
        self.lost.append("feed")

    def link(self, connection_id: int) -> None:
        self.lost.append("link")

    def probe(self, connection_id: int) -> None:
        self.lost.append("probe")

    def run(self, run_id: int) -> None:
        self.lost.append("run")

    def announce(self) -> None:
        self.lost.append("announce")

    def keep_house(self) -> None:
        self.lost.append("keep_house")


@pytest.mark.requirement("R113")
def test_a_lost_wake_up_to_link_or_to_announce_is_sent_again_soon(shop: Shop) -> None:
    shop.connect()
    shop.publish({"sku": "MUG-1", "quantity": 5}, {"sku": "MUG-2", "quantity": "wrong"})  # one to link, one outcome to tell
    deaf = Deaf()

    conduct(shop.ctx, deaf)
    conduct(shop.ctx, deaf)
    assert (deaf.lost.count("link"), deaf.lost.count("announce")) == (1, 1), "not at every look"
    shop.execute(f"UPDATE lease SET until = until - interval '{AGAIN_SECONDS} seconds'")  # so much time goes by
    conduct(shop.ctx, deaf)

    assert (deaf.lost.count("link"), deaf.lost.count("announce")) == (2, 2)
