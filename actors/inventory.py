"""The actor of the queue feedline.inventory."""

import dramatiq

from worker.app import context, stopping
from worker.broker.consumer import Batch
from worker.broker.topology import INVENTORY
from worker.steps.ingest import PRIORITY, ingest


@dramatiq.actor(queue_name=INVENTORY, priority=PRIORITY)
def stage_inventory(batch: Batch) -> None:
    """Stage a batch of inventory messages."""
    ingest(context(), batch, stopping)
