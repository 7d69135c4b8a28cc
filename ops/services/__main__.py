"""`python -m ops.services [-- COMMAND...]`: both servers from a shell.

Without a command, print their settings and keep them until Ctrl-C. With one, run it with these settings and end with its exit code.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading

from ops.services.both import services
from ops.services.errors import ServiceUnavailable
from ops.services.running import Durability


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.services", description="Start Postgres and RabbitMQ for as long as this runs.")
    parser.add_argument("--durability", type=Durability, choices=list(Durability), default=Durability.SAFE)
    parser.add_argument("command", nargs="*", help="run this with FEEDLINE_DATABASE_URL and FEEDLINE_AMQP_URL set")
    wanted = parser.parse_args()
    try:
        with services(durability=wanted.durability) as running:
            if wanted.command:
                return subprocess.run(wanted.command, env={**os.environ, **running.environment()}, check=False).returncode
            for name, value in running.environment().items():
                print(f"{name}={value}", flush=True)
            _wait_for_the_end()
    except ServiceUnavailable as unavailable:
        print(unavailable, file=sys.stderr)
        return 2
    return 0


def _wait_for_the_end() -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()


if __name__ == "__main__":
    sys.exit(main())
