"""The actor of the queue feedline.shipments."""

import dramatiq

from worker.app import context, stopping
from worker.broker.consumer import Batch
from worker.broker.topology import SHIPMENTS
from worker.steps.ingest import PRIORITY, ingest


@dramatiq.actor(queue_name=SHIPMENTS, priority=PRIORITY)
def stage_shipment(batch: Batch) -> None:
    """Stage a batch of shipment messages."""
    ingest(context(), batch, stopping)
