"""The tables `connection` and the credentials of `account`: applied from a connection file, read by every step."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, Row, text

from worker.connection_file import FileFault, FileRefused, ParsedConnection
from worker.core.accounts import Account, Seller
from worker.core.connections import Connection, ConnectionSettings
from worker.core.ids import AccountId, ConnectionId
from worker.core.issues import issue
from worker.core.json import JsonValue, decode, encode
from worker.core.marketplaces import MARKETPLACES, Region
from worker.database import Transaction
from worker.errors import FeedlineError
from worker.secrets import Secret, Vault
from worker.store import shipments, tokens


class Change(NamedTuple):
    """One line of what applying a file changes: secrets only as `refresh_token changed`."""

    connection: str
    what: str


class ConnectionUnknown(FeedlineError):
    def __init__(self, name: str) -> None:
        super().__init__(f"There is no connection named {name}. List them with: feedline connection list")


# --- reading -----------------------------------------------------------------------------------------------------------------

_COLUMNS: Final = (
    "c.id, c.name, c.paused, c.revision, c.marketplace_id, c.account_id, a.client_id, a.selling_partner_id, a.region "
    "FROM connection c JOIN account a ON a.id = c.account_id"
)
_CURRENT: Final = f"SELECT {_COLUMNS} WHERE c.name = ANY(%s)"
_BY_ID: Final = text(f"SELECT {_COLUMNS} WHERE c.id = :id")
_ALL: Final = text(f"SELECT {_COLUMNS} ORDER BY c.name")
_FAULTS: Final = text("SELECT id, authorization_fault FROM account WHERE authorization_fault IS NOT NULL")
# As text: the driver's own JSON reader would put numbers through binary floats.
_SETTINGS: Final = text("SELECT id, revision, settings::text AS settings FROM connection WHERE id = ANY(:ids)")

# Settings with their compiled templates, by connection and revision. Of the process, for there are many transactions a second;
# by engine, because an id means nothing in another database.
_settings: Final[WeakKeyDictionary[Engine, dict[ConnectionId, tuple[int, ConnectionSettings]]]] = WeakKeyDictionary()


def current(tx: Transaction, names: Iterable[str]) -> dict[str, Connection]:
    """Return the connections of these names, as far as there are any. One query, and one more after a change of settings."""
    wanted = list(names)
    return {found.name: found for found in _connections(tx, tx.exec_driver_sql(_CURRENT, (wanted,)).all())} if wanted else {}


def by_id(tx: Transaction, connection_id: int) -> Connection | None:
    return next(iter(_connections(tx, tx.execute(_BY_ID, {"id": connection_id}).all())), None)


def by_name(tx: Transaction, name: str) -> Connection:
    """Raises: ConnectionUnknown."""
    found = current(tx, (name,)).get(name)
    if found is None:
        raise ConnectionUnknown(name)
    return found


def all(tx: Transaction) -> list[Connection]:  # noqa: A001  # read as connections.all(tx)
    """Return every connection, by name."""
    return _connections(tx, tx.execute(_ALL).all())


def authorization_faults(tx: Transaction) -> dict[AccountId, str]:
    """Return why accounts are not authorised any more, for those that are known not to be."""
    return {AccountId(row.id): row.authorization_fault for row in tx.execute(_FAULTS)}


def _connections(tx: Transaction, rows: Sequence[Row[Any]]) -> list[Connection]:
    cached = _settings.setdefault(tx.engine, {})
    missing = [row.id for row in rows if cached.get(row.id, (None,))[0] != row.revision]
    if missing:
        # A settings change that commits between the two queries is taken as it is now, with its own revision.
        for row in tx.execute(_SETTINGS, {"ids": missing}):
            cached[row.id] = (row.revision, ConnectionSettings.from_json(row.settings))
    return [_connection(row, *cached[row.id]) for row in rows if row.id in cached]


def _connection(row: Row[Any], revision: int, settings: ConnectionSettings) -> Connection:
    account = Account(AccountId(row.account_id), row.client_id, row.selling_partner_id, Region(row.region))
    return Connection(
        id=ConnectionId(row.id),
        name=row.name,
        paused=row.paused,
        revision=revision,
        seller=Seller(ConnectionId(row.id), account, row.marketplace_id),
        marketplace=MARKETPLACES[row.marketplace_id],
        settings=settings,
    )


# --- applying ----------------------------------------------------------------------------------------------------------------

# Two files applied at once take turns; readers and staging do not wait.
_LOCK: Final = text("LOCK TABLE connection IN SHARE ROW EXCLUSIVE MODE")
_STORED: Final = text(f"SELECT c.settings::text AS settings, {_COLUMNS} WHERE c.name = ANY(:names)")
_ACCOUNT: Final = text("""
    SELECT id, client_secret, refresh_token, usage_plans::text AS usage_plans,
           authorization_fault IS NOT NULL AND login_not_before > clock_timestamp() AS is_given_up
      FROM account WHERE client_id = :client_id AND selling_partner_id = :selling_partner_id AND region = :region FOR UPDATE""")
# The ciphertext is bound to the id of its row, so the row comes first; both happen in one transaction.
_NEW_ACCOUNT: Final = text("""
    INSERT INTO account (client_id, selling_partner_id, region, refresh_token)
    VALUES (:client_id, :selling_partner_id, :region, '') RETURNING id""")
_SET_CREDENTIALS: Final = text("""
    UPDATE account SET client_secret = :client_secret, refresh_token = :refresh_token WHERE id = :id""")
_SET_USAGE_PLANS: Final = text("UPDATE account SET usage_plans = CAST(:usage_plans AS jsonb) WHERE id = :id")
_NEW_CONNECTION: Final = text("""
    INSERT INTO connection (name, account_id, marketplace_id, settings, paused, copy_of)
    VALUES (:name, :account_id, :marketplace_id, CAST(:settings AS jsonb), :paused, :copy_of)""")
_CHANGE: Final = text("""
    UPDATE connection SET account_id = :account_id, marketplace_id = :marketplace_id, settings = CAST(:settings AS jsonb),
           revision = revision + 1, applied_at = now()
     WHERE id = :id""")
_IS_USED: Final = text("""
    SELECT EXISTS (SELECT FROM key_state WHERE connection_id = :id) OR EXISTS (SELECT FROM listing WHERE connection_id = :id)
        OR EXISTS (SELECT FROM feed WHERE connection_id = :id) OR EXISTS (SELECT FROM imported_listing WHERE connection_id = :id)
        OR EXISTS (SELECT FROM amazon_order WHERE connection_id = :id) OR EXISTS (SELECT FROM order_window WHERE connection_id = :id)""")
# In the order of the keys, as staging locks them. What is in a feed is locked, too: it may land while this waits.
_FORGET_AVAILABILITY: Final = text("""
    UPDATE key_state SET confirmed = (confirmed::jsonb - 'quantity' - 'handling_time')::json
     WHERE (connection_id, kind, key) IN (
           SELECT connection_id, kind, key FROM key_state
            WHERE connection_id = :id AND kind = 'listings' AND (confirmed::text <> '{}' OR state = 'in_feed') ORDER BY key FOR UPDATE)""")

_PAUSE: Final = text("UPDATE connection SET paused = :paused WHERE name = :name AND paused <> :paused")
_COPY_OF: Final = text("SELECT copy_of FROM connection WHERE id = :id")
_EXISTS: Final = text("SELECT EXISTS (SELECT FROM connection WHERE name = :name)")


def apply(tx: Transaction, vault: Vault, parsed: Sequence[ParsedConnection], default_client_id: str) -> list[Change]:
    """Make the stored connections what the file says, and return what that changes: nothing, when it is applied again.

    Connections that the file does not name stay as they are. A change of settings makes a new revision.
    Raises: FileRefused when a connection in use would be moved to another seller, marketplace or SKU prefix, or when the default
    application has other credentials where the file names it.
    """
    tx.execute(_LOCK)
    stored = {row.name: row for row in tx.execute(_STORED, {"names": [each.settings.name for each in parsed]})}
    faults = [fault for each in parsed if each.settings.name in stored for fault in _moves(tx, each, stored[each.settings.name])]
    faults += _disagreements(parsed, default_client_id)
    if faults:
        raise FileRefused(faults)
    changes: list[Change] = []
    for each in parsed:
        name = each.settings.name
        account_id, said = _account(tx, vault, each, default_client_id)
        row = stored.get(name)
        if row is None:
            _create(tx, each, account_id)
            changes.append(Change(name, "created, paused" if each.paused else "created"))
        else:
            said += _update(tx, each, account_id, row)
        changes += [Change(name, what) for what in said]
    return changes


def _moves(tx: Transaction, each: ParsedConnection, row: Row[Any]) -> Iterator[FileFault]:
    """What is known of a connection's SKUs is known of one seller, marketplace and prefix, and would be wrong of another."""
    before = ConnectionSettings.from_json(row.settings)
    moved = [
        name for name in ("marketplace_id", "selling_partner_id", "sku_prefix") if getattr(before, name) != getattr(each.settings, name)
    ]
    if moved and tx.execute(_IS_USED, {"id": row.id}).scalar_one():
        yield from (FileFault(each.line, issue("CONNECTION_MOVED", value=row.name, limit=name)) for name in moved)


def _disagreements(parsed: Sequence[ParsedConnection], default_client_id: str) -> Iterator[FileFault]:
    """Connections of one account that give it other credentials: the file alone does not know which is the default application."""
    first: dict[tuple[str, ...], ParsedConnection] = {}
    for each in parsed:
        one = first.setdefault(tuple(_account_key(each, default_client_id).values()), each)
        if (each.refresh_token, each.client_secret, each.usage_plans) != (one.refresh_token, one.client_secret, one.usage_plans):
            yield FileFault(each.line, issue("SELLER_DISAGREES", field="application", value=one.settings.name))


def _account_key(each: ParsedConnection, default_client_id: str) -> dict[str, str]:
    return {
        "client_id": each.client_id or default_client_id,
        "selling_partner_id": each.settings.selling_partner_id,
        "region": MARKETPLACES[each.settings.marketplace_id].region.value,
    }


def _account(tx: Transaction, vault: Vault, each: ParsedConnection, default_client_id: str) -> tuple[AccountId, list[str]]:
    key = _account_key(each, default_client_id)
    row = tx.execute(_ACCOUNT, key).one_or_none()
    account_id = AccountId(tx.execute(_NEW_ACCOUNT, key).scalar_one() if row is None else row.id)
    wanted: dict[str, Secret | None] = {"refresh_token": each.refresh_token, "client_secret": each.client_secret}
    stored = {column: None if row is None else getattr(row, column) for column in wanted}
    changed = [column for column, secret in wanted.items() if not _holds(vault, tokens.place(account_id, column), stored[column], secret)]
    if changed:
        sealed = {
            column: stored[column]
            if column not in changed
            else None
            if secret is None
            else vault.seal(tokens.place(account_id, column), secret)
            for column, secret in wanted.items()
        }
        tx.execute(_SET_CREDENTIALS, {"id": account_id, **sealed})
    if row is not None and (changed or row.is_given_up):
        tokens.forget(tx, account_id)
    plans = encode(each.usage_plans, canonical=True).decode()
    said = [] if row is None else [f"{column} changed" for column in changed]
    if row is not None and row.is_given_up:
        said.append("access was refused; Amazon is asked again")
    if plans != ("{}" if row is None else encode(decode(row.usage_plans), canonical=True).decode()):
        tx.execute(_SET_USAGE_PLANS, {"id": account_id, "usage_plans": plans})
        said.append("application.usage_plans changed")
    return account_id, said


def _holds(vault: Vault, place: str, sealed: bytes | None, secret: Secret | None) -> bool:
    """Whether *sealed* is *secret*. What no key opens any more is not: applying the file is the remedy for that."""
    if not sealed or secret is None:
        return sealed is None and secret is None
    try:
        return vault.open(place, bytes(sealed)) == secret
    except FeedlineError:
        return False


def _create(tx: Transaction, each: ParsedConnection, account_id: AccountId) -> None:
    tx.execute(
        _NEW_CONNECTION,
        {
            "name": each.settings.name,
            "account_id": account_id,
            "marketplace_id": each.settings.marketplace_id,
            "settings": each.settings.to_json().decode(),
            "paused": bool(each.paused),
            "copy_of": None,
        },
    )


def _update(tx: Transaction, each: ParsedConnection, account_id: AccountId, row: Row[Any]) -> list[str]:
    said = list(_differences(decode(row.settings), decode(each.settings.to_json())))
    if account_id != row.account_id:
        said.append("application changed")
    if said:
        parameters = {"id": row.id, "account_id": account_id, "marketplace_id": each.settings.marketplace_id}
        tx.execute(_CHANGE, {**parameters, "settings": each.settings.to_json().decode()})
    if any(line.startswith("fulfillment_channel:") for line in said):
        # What Amazon is known to have, it has for the former channel.
        tx.execute(_FORGET_AVAILABILITY, {"id": row.id})
    if any(line.startswith("sync_orders.non_managed:") for line in said):
        shipments.reconsider(tx, row.id)
    if each.paused is not None and each.paused != row.paused:
        tx.execute(_PAUSE, {"name": row.name, "paused": each.paused})
        said.append("paused" if each.paused else "resumed")
    return said


def _differences(before: JsonValue, after: JsonValue, path: str = "") -> Iterator[str]:
    """Yield what differs, one line an entry. Compared as they are written: 19.9 and 19.90 are not the same."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            here = f"{path}.{key}" if path else key
            if key not in before:
                yield f"{here} added: {_brief(after[key])}"
            elif key not in after:
                yield f"{here} removed"
            else:
                yield from _differences(before[key], after[key], here)
    elif encode(before, canonical=True) != encode(after, canonical=True):
        yield f"{path}: {_brief(before)} -> {_brief(after)}"


def _brief(value: JsonValue) -> str:
    written = encode(value).decode()
    return written if len(written) <= 80 else written[:79] + "…"


# --- one connection ----------------------------------------------------------------------------------------------------------


def pause(tx: Transaction, name: str) -> bool:
    """Stop sending for the connection; messages are still taken in. Return whether it ran before. Raises: ConnectionUnknown."""
    return _set_paused(tx, name, paused=True)


def resume(tx: Transaction, name: str) -> bool:
    """Send for the connection again. Return whether it was paused before. Raises: ConnectionUnknown."""
    return _set_paused(tx, name, paused=False)


def _set_paused(tx: Transaction, name: str, *, paused: bool) -> bool:
    changed = tx.execute(_PAUSE, {"name": name, "paused": paused}).rowcount == 1
    if not changed and not tx.execute(_EXISTS, {"name": name}).scalar_one():
        raise ConnectionUnknown(name)
    return changed


def duplicate(tx: Transaction, name: str, new: str) -> None:
    """Copy a connection under the name *new*, paused: to try a template without sending (R50, R70).

    Raises: ConnectionUnknown; FeedlineError when *new* is taken; ValidationError when it is no name.
    """
    tx.execute(_LOCK)
    original = by_name(tx, name)
    if tx.execute(_EXISTS, {"name": new}).scalar_one():
        raise FeedlineError(f"There is a connection named {new} already. Choose another name.")
    copied = ConnectionSettings.model_validate({**decode(original.settings.to_json()), "name": new})
    parameters = {"name": new, "account_id": original.seller.account.id, "marketplace_id": original.marketplace.id}
    tx.execute(_NEW_CONNECTION, {**parameters, "settings": copied.to_json().decode(), "paused": True, "copy_of": original.id})


def original_of(tx: Transaction, connection_id: ConnectionId) -> Connection | None:
    """Return the connection that this one was duplicated from, if it is a copy."""
    copy_of = tx.execute(_COPY_OF, {"id": connection_id}).scalar_one_or_none()
    return None if copy_of is None else by_id(tx, copy_of)
