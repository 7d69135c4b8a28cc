"""The first schema: messages, keys, feeds, outcomes, quota, outbox."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

IDENTITY_PARTITIONS = 8


def upgrade() -> None:
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements)
    for number in range(IDENTITY_PARTITIONS):
        op.execute(
            f"CREATE TABLE identity_{number} PARTITION OF identity FOR VALUES WITH (MODULUS {IDENTITY_PARTITIONS}, REMAINDER {number})"
        )
    for table in ("message", "outcome", "feed_message", "shipment"):
        # Where a day's partition is missing, messages still have a place to go.
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
