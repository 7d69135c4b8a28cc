"""The table `quota`: the usage plans of every account, shared by the whole fleet.

A row is locked, decided on by worker/core/quota.py and written back: two short statements. Rows are locked in the order
of their operation's name, and the clock is Postgres', read after the locks are held.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Row, text

from worker.core.ids import AccountId
from worker.core.json import JsonObject
from worker.core.quota import Bucket, Call, Lease, Plan, Window, limit, plan_of, rate_told
from worker.database import Transaction

_COLUMNS: Final = """operation, rate, burst, tokens, leases, recent,
           extract(epoch FROM updated_at)::float8 AS updated_at, extract(epoch FROM waiting_until)::float8 AS waiting_until,
           extract(epoch FROM confirmed_at)::float8 AS confirmed_at, extract(epoch FROM changed_at)::float8 AS changed_at"""

# In a WITH that locks, the outer SELECT runs once a row is locked: its clock is never older than the lock.
_LOCK: Final = text(f"""
    WITH locked AS (
        SELECT * FROM quota WHERE account_id = :account_id AND operation = ANY(:operations) ORDER BY operation FOR UPDATE)
    SELECT {_COLUMNS},
           (SELECT usage_plans FROM account WHERE id = :account_id) AS usage_plans,
           extract(epoch FROM clock_timestamp())::float8 AS now, gen_random_uuid()::text AS lease
      FROM locked""")

_OPEN: Final = text("""
    INSERT INTO quota (account_id, operation, rate, burst, tokens, updated_at, confirmed_at, changed_at)
    SELECT :account_id, :operation, :rate, :burst, :burst, now, now, now FROM clock_timestamp() AS now
    ON CONFLICT DO NOTHING""")

_PLANS: Final = text("SELECT usage_plans FROM account WHERE id = :account_id")

_WRITE: Final = text("""
    UPDATE quota SET rate = :rate, burst = :burst, tokens = :tokens, leases = CAST(:leases AS jsonb), recent = :recent,
           updated_at = to_timestamp(:updated_at), waiting_until = to_timestamp(:waiting_until),
           confirmed_at = to_timestamp(:confirmed_at), changed_at = to_timestamp(:changed_at)
     WHERE account_id = :account_id AND operation = :operation""")

_PEEK: Final = text(f"""
    SELECT account_id, {_COLUMNS},
           extract(epoch FROM clock_timestamp())::float8 AS now
      FROM quota ORDER BY account_id, operation""")


class QuotaLeft(NamedTuple):
    """`tokens`: calls that may be made at once. `wait_seconds`: until the next one may be made; 0: now."""

    account_id: AccountId
    operation: str
    tokens: float
    wait_seconds: float


class _Locked(NamedTuple):
    """Limits whose rows are locked; `now` is at or after the last lock, in seconds since 1970."""

    limits: dict[str, Bucket | Window]
    plans: dict[str, Plan]
    now: float
    new_lease: Lease


def take(tx: Transaction, account_id: AccountId, operations: Sequence[str], *, life_seconds: float) -> Lease | datetime:
    """Take one call of every one of *operations*, or of none: then return when to ask again.

    The call must have been answered, or the lease renewed, within *life_seconds*: after that the lease counts as used up.
    Raises: KeyError for an operation without a usage plan.
    """
    locked = _lock(tx, account_id, operations)
    taken: dict[str, Bucket | Window] = {}
    free_at = 0.0
    for operation, current in locked.limits.items():
        match current.take(locked.new_lease, locked.now, life_seconds):
            case float(at):
                free_at = max(free_at, at)
            case after:
                taken[operation] = after
    if free_at:
        return datetime.fromtimestamp(free_at, UTC)
    _write(tx, account_id, taken)
    return locked.new_lease


def renew(tx: Transaction, account_id: AccountId, operations: Sequence[str], lease: Lease, *, life_seconds: float) -> bool:
    """Give *lease*, whose call has not been made yet, a new life. Return False when it is dead: take another."""
    locked = _lock(tx, account_id, operations)
    renewed = {operation: current.renew(lease, locked.now, life_seconds) for operation, current in locked.limits.items()}
    alive = {operation: current for operation, current in renewed.items() if current is not None}
    if len(alive) < len(operations):
        return False
    _write(tx, account_id, alive)
    return True


def alive(tx: Transaction, account_id: AccountId, operations: Sequence[str], lease: Lease) -> bool:
    """Return whether *lease* still stands for a call of every one of *operations*."""
    locked = _lock(tx, account_id, operations)
    return len(locked.limits) == len(operations) and all(lease in current.at(locked.now).leases for current in locked.limits.values())


def finish(tx: Transaction, account_id: AccountId, operations: Sequence[str], lease: Lease, *, told_rate: float | None = None) -> None:
    """End *lease* after its call was answered, or may have been. *told_rate*: Amazon's x-amzn-RateLimit-Limit."""

    def answered(operation: str, current: Bucket | Window, locked: _Locked) -> Bucket | Window:
        told = None if told_rate is None else rate_told(operation, told_rate, locked.plans[operation])
        return current.answered(lease, locked.now, told)

    _change(tx, account_id, operations, answered)


def throttled(tx: Transaction, account_id: AccountId, operations: Sequence[str], lease: Lease, *, jitter: float) -> datetime:
    """End *lease* after a 429, empty its bucket, and return when the next call may be made."""
    changed, now = _change(tx, account_id, operations, lambda _, current, locked: current.throttled(lease, locked.now, jitter))
    return datetime.fromtimestamp(max([now, *(current.free_at() for current in changed.values())]), UTC)


def give_back(tx: Transaction, account_id: AccountId, operations: Sequence[str], lease: Lease) -> None:
    """End *lease*, whose call was surely never sent: its tokens are there again."""
    _change(tx, account_id, operations, lambda _, current, locked: current.give_back(lease, locked.now))


def quota_left(tx: Transaction) -> list[QuotaLeft]:
    """Return what every account has left of each operation that it has used, for metrics and `status`."""
    left = []
    for row in tx.execute(_PEEK):
        current = _read(row).at(row.now)
        left.append(QuotaLeft(AccountId(row.account_id), row.operation, current.tokens, max(0.0, current.free_at() - row.now)))
    return left


def _lock(tx: Transaction, account_id: AccountId, operations: Sequence[str]) -> _Locked:
    parameters = {"account_id": account_id, "operations": list(operations)}
    rows = tx.execute(_LOCK, parameters).all()
    if len(rows) < len(operations):
        own = _plans(tx.execute(_PLANS, parameters).scalar_one())
        for operation in sorted(operations):
            plan = plan_of(operation, own)
            tx.execute(_OPEN, {"account_id": account_id, "operation": operation, "rate": plan.rate, "burst": plan.burst})
        rows = tx.execute(_LOCK, parameters).all()
    own = _plans(rows[0].usage_plans)
    plans = {row.operation: plan_of(row.operation, own) for row in rows}
    now = max(row.now for row in rows)
    limits = {row.operation: _read(row).resized(plans[row.operation]) for row in rows}
    return _Locked(limits, plans, now, Lease(rows[0].lease))


def _change(
    tx: Transaction,
    account_id: AccountId,
    operations: Sequence[str],
    change: Callable[[str, Bucket | Window, _Locked], Bucket | Window],
) -> tuple[dict[str, Bucket | Window], float]:
    locked = _lock(tx, account_id, operations)
    changed = {operation: change(operation, current, locked) for operation, current in locked.limits.items()}
    _write(tx, account_id, changed)
    return changed, locked.now


def _plans(usage_plans: JsonObject) -> dict[str, Plan]:
    return msgspec.convert(usage_plans, dict[str, Plan])


def _read(row: Row[tuple[object, ...]]) -> Bucket | Window:
    found = row._mapping  # noqa: SLF001  # SQLAlchemy's public name for a row as a mapping
    kind = type(limit(found["operation"], Plan(1, 1), 0))
    return kind(
        rate=found["rate"],
        burst=found["burst"],
        tokens=found["tokens"],
        updated_at=found["updated_at"],
        leases={Lease(lease): Call(*times) for lease, times in found["leases"].items()},
        recent=tuple(found["recent"]),
        waiting_until=found["waiting_until"] or 0,
        confirmed_at=found["confirmed_at"],
        changed_at=found["changed_at"],
    )


def _write(tx: Transaction, account_id: AccountId, limits: dict[str, Bucket | Window]) -> None:
    for operation, current in limits.items():
        values = msgspec.structs.asdict(current)
        values |= {
            "account_id": account_id,
            "operation": operation,
            "leases": msgspec.json.encode(current.leases).decode(),
            "recent": list(current.recent),
            "waiting_until": current.waiting_until or None,
        }
        tx.execute(_WRITE, values)
