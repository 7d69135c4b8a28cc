"""`ops/demo`: its options, and its exit code: 0 only when everything came out as it must, 1 when not, 2 when it could not begin."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Final

from ops.demonstration import proof
from ops.demonstration.ledger import Ledger
from ops.demonstration.play import observe, play
from ops.demonstration.progress import progress
from ops.demonstration.scenario import FEWEST_MESSAGES, Scenario, scenario
from ops.demonstration.sellers import SELLERS
from ops.demonstration.summary import Summary, print_json, print_tables
from ops.demonstration.surroundings import DemoFailed, Surroundings, surroundings
from ops.services import ServiceUnavailable
from ops.simulator.control import SimulatorError

INTERRUPTED: Final = 130
EXPORTED: Final = (
    "FEEDLINE_DATABASE_URL",
    "FEEDLINE_AMQP_URL",
    "FEEDLINE_SECRET_KEYS",
    "FEEDLINE_LWA_CLIENT_ID",
    "FEEDLINE_LWA_CLIENT_SECRET",
    "FEEDLINE_LWA_URL",
    "FEEDLINE_SP_API_URL",
)


def main(arguments: Sequence[str] | None = None) -> int:
    wanted = _options().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    directory = Path(tempfile.mkdtemp(prefix="feedline-demo-"))
    try:
        is_well = _run(wanted, directory)
    except KeyboardInterrupt:
        _tell("Stopped.")
        shutil.rmtree(directory, ignore_errors=True)
        return INTERRUPTED
    except (ServiceUnavailable, SimulatorError) as error:
        _tell(str(error))
        shutil.rmtree(directory, ignore_errors=True)
        return 2
    except DemoFailed as error:
        _tell(f"{error}\nThe worker's log: {directory / 'worker.log'}")
        return 1
    if not is_well:
        _tell(f"The worker's log: {directory / 'worker.log'}")
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ops/demo",
        description="Show all of Feedline at work: RabbitMQ, Postgres, an imitation of Amazon, a worker of two processes, and a catalogue "
        "of messages. Ends with exit code 0 only when every message reached the outcome that it must.",
    )
    parser.add_argument(
        "--messages",
        type=_count,
        default=20_000,
        metavar="N",
        help="how many messages about stock and prices, on N/4 SKUs (default: 20000)",
    )
    parser.add_argument("--keep", action="store_true", help="leave it running afterwards, until Ctrl-C, and print the addresses")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    parser.add_argument("--speed", type=_speed, default=60.0, metavar="X", help="how much faster Amazon's clock runs (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes up another catalogue")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < FEWEST_MESSAGES:
        raise argparse.ArgumentTypeError(f"{text} is no number from {FEWEST_MESSAGES}")
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 1 <= speed <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 to 1000")
    return speed


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(wanted: argparse.Namespace, directory: Path) -> bool:
    began = time.monotonic()
    told = scenario(wanted.messages, wanted.seed)
    with surroundings(told, wanted.speed, directory, _tell) as around, Ledger(around.database_url) as ledger:
        ready = time.monotonic()
        _tell(
            f"Publishing {len(told.arrivals):,} messages on {len(told.listings):,} SKUs of {len(SELLERS)} sellers, "
            f"{len(told.publications):,} new listings, and the parcels of {len(told.orders):,} orders"
        )
        with progress() as show:
            play(told, around, ledger, wanted.seed, show)
        decided = time.monotonic()
        summary = _summary(told, around, ledger, wanted.speed, {"start": ready - began, "messages to outcomes": decided - ready})
        (print_json if wanted.json else print_tables)(summary)
        sys.stdout.flush()
        if wanted.keep:
            _keep(around)
    return summary.is_well


def _summary(told: Scenario, around: Surroundings, ledger: Ledger, speed: float, seconds: dict[str, float]) -> Summary:
    seen = observe(ledger, around)
    return Summary(told, seen, ledger.feeds(), proof.differences(told, seen), seconds, speed)


def _keep(around: Surroundings) -> None:
    """Print the addresses, and wait for Ctrl-C."""
    _tell("\nStill running; Ctrl-C ends it.")
    _tell(
        f"  metrics    {around.metrics_url}/metrics\n  simulator  {around.simulator.url}/_simulator/feeds\n  logs       {around.directory}"
    )
    _tell("For a second terminal:")
    for name in EXPORTED:
        _tell(f"  export {name}='{around.environment[name]}'")
    ended = Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    while not ended.wait(1):
        if around.worker.has_ended():
            raise DemoFailed(f"The worker ended: {around.worker.last_words()}")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
