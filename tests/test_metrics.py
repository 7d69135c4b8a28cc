"""Metrics: the catalogue is the contract's, and several processes add up."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from worker.metrics import CATALOGUE, Kind, short

CONTRACT = {
    "feedline_deliveries_total": ("queue",),
    "feedline_staged_total": ("type",),
    "feedline_stage_seconds": (),
    "feedline_outcomes_total": ("connection", "type", "outcome"),
    "feedline_pending_changes": ("connection", "type"),
    "feedline_oldest_pending_seconds": ("connection", "type"),
    "feedline_held_changes": ("connection", "reason"),
    "feedline_feeds": ("connection", "feed_type", "state"),
    "feedline_oldest_unfinished_feed_seconds": ("connection", "feed_type"),
    "feedline_acceptance_seconds": ("type",),
    "feedline_feed_messages_total": ("connection", "type"),
    "feedline_coalesced_total": ("connection", "type"),
    "feedline_spapi_calls_total": ("operation", "status"),
    "feedline_spapi_seconds": ("operation",),
    "feedline_quota_tokens": ("connection", "operation"),
    "feedline_quota_wait_seconds": ("connection", "operation"),
    "feedline_throttled_total": ("operation",),
    "feedline_authorization_ok": ("connection",),
    "feedline_outbox_lag_seconds": (),
    "feedline_runs_total": ("connection", "kind", "state"),
    "feedline_leader": (),
    "feedline_build_info": ("version",),
}
"""Names and labels that dashboards are written against. They stay; more may come."""

COUNT = """
from worker import metrics
metrics.deliveries("feedline.inventory", 3)
metrics.staged("feedline.inventory.v1", 2)
metrics.coalesced("US shop", "feedline.inventory.v1")
metrics.outcomes("US shop", "feedline.inventory.v1", "accepted", 5)
metrics.outcomes(None, None, "invalid")
metrics.carrier_conflicts("flxpoint", 2)
metrics.feed_messages("US shop", "listing", 7)
metrics.accepted_after("feedline.inventory.v1", [31, 45])
metrics.spapi_call("getFeed", "429", 0.2)
metrics.throttled("getFeed")
metrics.run_ended("US shop", "get_orders", "done")
metrics.leads({leads})
with metrics.stage_seconds.time():
    pass
metrics.actor_started("cut_feed")
metrics.actor_ended("cut_feed", 0.1, failed=True)
"""

EXPOSE = """
import pathlib, sys
from prometheus_client import generate_latest
from worker import logs
from worker.clock import Clock
from worker.exposition import FleetCollector, registry
logs.configure(logs.JSON, "info")
def read():
    if {fails}:
        raise OSError("nobody there")
    return []
exposed = registry(pathlib.Path({folder!r}), FleetCollector(read, Clock()))
generate_latest(exposed)
print(generate_latest(exposed).decode())
"""


def test_the_catalogue_holds_all_that_the_contract_names() -> None:
    assert {name: metric.labels for name, metric in CATALOGUE.items() if name in CONTRACT} == CONTRACT


@pytest.mark.parametrize("metric", CATALOGUE.values(), ids=lambda metric: metric.name)
def test_names_follow_prometheus_customs(metric: object) -> None:
    name, kind = CATALOGUE[metric.name].name, CATALOGUE[metric.name].kind  # type: ignore[attr-defined]

    assert re.fullmatch(r"feedline(_[a-z]+)+", name)
    assert name.endswith("_total") == (kind is Kind.COUNTER)
    assert bool(CATALOGUE[name].buckets) == (kind is Kind.HISTOGRAM)
    assert CATALOGUE[name].help.endswith(".")


def test_labels_never_hold_what_grows_without_end() -> None:
    assert not {label for metric in CATALOGUE.values() for label in metric.labels} & {
        "sku",
        "key",
        "feed_id",
        "message_id",
        "order",
        "source",
        "pid",
    }


@pytest.mark.requirement("R117")
def test_the_processes_of_an_instance_are_added_up(tmp_path: Path) -> None:
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PATH": ""}
    for leads in ("True", "False"):
        subprocess.run([sys.executable, "-c", COUNT.format(leads=leads)], env=environment, check=True)

    families = _exposed(tmp_path, environment, fails=False)

    values = {(sample.name, *sorted(sample.labels.values())): sample.value for family in families.values() for sample in family.samples}
    assert values["feedline_deliveries_total", "feedline.inventory"] == 6
    assert values["feedline_deliveries_total", "feedline.shipments"] == 0
    assert values["feedline_staged_total", "inventory"] == 4
    assert values["feedline_outcomes_total", "US shop", "accepted", "inventory"] == 10
    assert values["feedline_outcomes_total", "", "invalid", "unknown"] == 2
    assert values["feedline_acceptance_seconds_bucket", "60.0", "inventory"] == 4
    assert values["feedline_carrier_conflicts_total", "flxpoint"] == 4
    assert values["feedline_throttled_total", "getFeed"] == 2
    assert values["feedline_throttled_total", "createFeed"] == 0, "a rate is right from the first 429 on"
    assert values[("feedline_leader",)] == 1
    assert values["feedline_actors_running", "cut_feed"] == 0
    assert values[("feedline_stage_seconds_count",)] == 2
    assert {name.removesuffix("_total") for name in CATALOGUE} == families.keys(), "all are there by name, touched or not"


def test_a_database_that_cannot_be_asked_leaves_its_metrics_out_and_is_counted(tmp_path: Path) -> None:
    families = _exposed(tmp_path, {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PATH": ""}, fails=True)

    assert families["feedline_outbox_lag_seconds"].samples == []
    assert [sample.value for sample in families["feedline_scrape_errors"].samples] == [1]


def _exposed(folder: Path, environment: dict[str, str], *, fails: bool) -> dict[str, Metric]:
    """Return what the second scrape of the metrics in *folder* shows."""
    code = EXPOSE.format(folder=str(folder), fails=fails)
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return {family.name: family for family in text_string_to_metric_families(done.stdout)}


@pytest.mark.parametrize(
    ("message_type", "label"),
    [
        ("feedline.inventory.v1", "inventory"),
        ("shipment", "shipment"),
        ("feedline.listing.v9", "listing"),
        ("made up by somebody", "unknown"),
    ],
)
def test_a_type_is_labelled_from_a_closed_set(message_type: str, label: str) -> None:
    assert short(message_type) == label
