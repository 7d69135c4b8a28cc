"""The actor of the queue feedline.listings."""

import dramatiq

from worker.app import context, stopping
from worker.broker.consumer import Batch
from worker.broker.topology import LISTINGS
from worker.steps.ingest import PRIORITY, ingest


@dramatiq.actor(queue_name=LISTINGS, priority=PRIORITY)
def stage_listing(batch: Batch) -> None:
    """Stage a batch of listing messages."""
    ingest(context(), batch, stopping)
