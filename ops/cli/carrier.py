"""`feedline carrier`: what a tracking number says, what goes to Amazon for it, and what another setting would change."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from ops.cli import example
from ops.cli.output import Json, emit, facts, note, say
from ops.cli.reading import moment, reading
from worker.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from worker.core.carrier_changes import CarrierChange
    from worker.core.carriers import Decision
    from worker.core.connections import SyncOrders
    from worker.core.detection import Detection
    from worker.database import Transaction
    from worker.store.shipment_log import LoggedShipment

app = typer.Typer(help="Explain carriers, or try another setting on stored shipments.", no_args_is_help=True)

Profile = Literal["flxpoint", "extended"]
Switch = Literal["on", "off"]

_NAMES: Final = ("carrier_code", "carrier_name", "shipping_method", "tracking_number")


@app.callback()
def _group() -> None:
    """Explain carriers, or try another setting on stored shipments."""


@app.command(epilog=example("feedline carrier explain 1ZXX3150YW44070023 --carrier FedEx"))
def explain(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The tracking number. Case and spaces do not count.")],
    *,
    carrier: Annotated[str, typer.Option(help="The carrier as the template has it.")] = "",
    method: Annotated[str, typer.Option(help="The method as the template has it.")] = "",
    connection: Annotated[str | None, typer.Option(help="Decide as this connection does; without it, by the defaults.")] = None,
    as_json: Json = False,
) -> None:
    """Say which carrier a tracking number names, what would go to Amazon, and why.

    Without --connection no database is needed.
    """
    from worker.core.carrier_reasons import reasons
    from worker.core.carriers import PROFILES, decide

    settings = _settings(connection)
    decision = decide(carrier, method, number, settings)
    said = reasons(decision)
    (other,) = (detect for profile, detect in PROFILES.items() if profile != settings.carrier_profile)
    second = other("".join(number.split()).upper())
    if as_json:
        emit(_explained(number, decision, second, said))
        return
    facts(
        (
            ("number", decision.tracking_number),
            ("detected", _answer(decision.detection)),
            ("rule", decision.detection.rule),
            (f"by {second.profile}", _answer(second)),
            ("goes as", _sent(decision)),
        )
    )
    say("")
    for sentence in said:
        say(f"- {sentence}")


@app.command("what-if", epilog=example("feedline carrier what-if --auto-detect off --last 30d"))
def what_if(
    *,
    connection: Annotated[str | None, typer.Option(help="Only this connection's shipments.")] = None,
    auto_detect: Annotated[Switch | None, typer.Option(help="With auto_detect_carrier on, or off.")] = None,
    profile: Annotated[Profile | None, typer.Option(help="With this carrier_profile.")] = None,
    last: Annotated[str, typer.Option(help="How far back: an age as 15m, 24h or 30d, or a time in RFC 3339.")] = "30d",
    as_json: Json = False,
) -> None:
    """List the stored shipments that would go otherwise with another setting. Nothing is written, and nothing is sent.

    Every parcel's newest message is decided twice, as the worker would: with its connection's settings, and with the altered ones.
    """
    if auto_detect is None and profile is None:
        raise UsageError("Say what would be different: --auto-detect on or off, --profile flxpoint or extended.")
    since = moment(last)
    looked_at = changed = 0
    with reading() as tx:
        for name, parcel, change in _compared(tx, connection, since, auto_detect, profile):
            looked_at += 1
            if change is None:
                continue
            changed += 1
            if as_json:
                emit(_changed(name, parcel, change))
            else:
                where = "" if connection is not None else f"{name}  "
                number = change.before.tracking_number or "no number"
                say(f"{where}{parcel.id}  {change.amazon_order_id}  {number}  {_sent(change.before)} -> {_sent(change.after)}")
    note(f"{changed:,} of {looked_at:,} shipments would change.")


def _compared(
    tx: "Transaction", connection: str | None, since: "datetime", auto_detect: Switch | None, profile: Profile | None
) -> Iterator[tuple[str, "LoggedShipment", "CarrierChange | None"]]:
    """Yield every parcel since then, with the name of its connection, and what the altered settings would change."""
    from worker.core.carrier_changes import comparer
    from worker.store import connections
    from worker.store.shipment_log import newest_parcels

    for each in connections.all(tx) if connection is None else [connections.by_name(tx, connection)]:
        compare = comparer(each.settings, _altered(each.settings.sync_orders, auto_detect, profile))
        for parcel in newest_parcels(tx, each.id, since):
            yield each.name, parcel, compare(parcel.data, parcel.received_at)


def _settings(connection: str | None) -> "SyncOrders":
    from worker.core.connections import SyncOrders

    if connection is None:
        return SyncOrders()
    with reading() as tx:
        from worker.store import connections

        return connections.by_name(tx, connection).settings.sync_orders


def _altered(settings: "SyncOrders", auto_detect: Switch | None, profile: Profile | None) -> "SyncOrders":
    update: dict[str, Any] = {}
    if auto_detect is not None:
        update["auto_detect_carrier"] = auto_detect == "on"
    if profile is not None:
        update["carrier_profile"] = profile
    return settings.model_copy(update=update)


def _explained(number: str, decision: "Decision", second: "Detection", said: tuple[str, ...]) -> Mapping[str, Any]:
    from worker.core.trace import shown_issue

    detection, normalized = decision.detection, decision.normalized
    return {
        "number": number,
        **_detected(detection),
        "method": decision.preserved_method or _detected(detection)["method"],
        "reasons": list(said),
        "auto_detect": decision.auto_detect,
        "mapped": {"carrier": decision.mapped.carrier, "method": decision.mapped.method},
        "normalized": None if normalized is None else {"carrier": normalized.carrier, "method": normalized.method},
        "overridden": decision.overridden,
        "preserved_method": decision.preserved_method,
        "erased_method": decision.erased_method,
        "near_misses": [{"of": miss.of, "value": miss.value, "near": miss.near} for miss in decision.near_misses],
        "sends": _elements(decision),
        "issues": [shown_issue(fault) for fault in decision.faults],
        "other_profile": {**_detected(second), "agrees": detection.agrees_with(second)},
    }


def _detected(detection: "Detection") -> dict[str, Any]:
    return {
        "profile": detection.profile,
        "carrier": detection.carrier,
        "method": None if detection.carrier is None else detection.method,
        "rule": detection.rule,
        "candidates": list(detection.candidates),
    }


def _changed(connection: str, parcel: "LoggedShipment", change: "CarrierChange") -> Mapping[str, Any]:
    from worker.core.carrier_reasons import reasons

    return {
        "connection": connection,
        "id": parcel.id,
        "source": parcel.source,
        "received_at": parcel.received_at.isoformat(),
        "amazon_order_id": change.amazon_order_id,
        "tracking_number": change.before.tracking_number,
        "before": _elements(change.before),
        "after": _elements(change.after),
        "reasons": list(reasons(change.after)),
    }


def _elements(decision: "Decision") -> Mapping[str, str | None] | None:
    """The elements of FulfillmentData, or None where the shipment would be refused."""
    return None if decision.faults else dict(zip(_NAMES, decision.sent, strict=True))


def _sent(decision: "Decision") -> str:
    if decision.faults:
        return f"refused ({', '.join(fault.code for fault in decision.faults)})"
    from worker.core.carrier_reasons import named

    code = decision.carrier_code if decision.carrier_name is None else f"{decision.carrier_code} ({decision.carrier_name})"
    return named(code, decision.shipping_method or "")


def _answer(detection: "Detection") -> str:
    from worker.core.carrier_reasons import answer

    return answer(detection)
