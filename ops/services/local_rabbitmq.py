"""RabbitMQ from programs on this machine: a private node that shares nothing with the machine's own."""

import os
import shutil
import signal
import socket
from pathlib import Path

from ops.services.account import private_directory
from ops.services.children import Child
from ops.services.debian import provide_rabbitmq
from ops.services.errors import ServiceUnavailable
from ops.services.ports import free_port
from ops.services.programs import RabbitMQPrograms, find_rabbitmq
from ops.services.readiness import amqp_answers, wait_until
from ops.services.running import Address

_CONFIGURATION = """\
# A laptop or a small CI machine must be enough; the defaults reckon with a server's disk.
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 67108864
log.console = false
log.file.level = warning
"""


class LocalRabbitMQ:
    """One private broker node with its own epmd, ports, data and cookie."""

    def __init__(self) -> None:
        self._directory = private_directory("feedline-rabbitmq-")
        self._directory.chmod(0o700)
        self._ports = {"amqp": free_port(), "distribution": free_port(), "epmd": free_port()}
        self._node: Child | None = None
        self._epmd: Child | None = None

    def start(self) -> Address:
        programs = find_rabbitmq() or provide_rabbitmq()
        if programs is None:
            raise ServiceUnavailable(
                "No RabbitMQ was found, and none can be installed here: install it (apt-get install rabbitmq-server, "
                "or brew install rabbitmq), or set FEEDLINE_AMQP_URL to one that runs."
            )
        environment = self._environment(programs)
        self._start_epmd(environment)
        (self._directory / "rabbitmq.conf").write_text(_CONFIGURATION)
        (self._directory / "enabled_plugins").write_text("[].\n")
        node = Child(
            [programs.sbin / "rabbitmq-server"],
            log=self._directory / "node.log",
            directory=self._directory,
            environment=environment,
        )
        self._node = node
        wait_until(
            lambda: amqp_answers(self._ports["amqp"]),
            has_ended=node.has_ended,
            says=lambda: f"RabbitMQ ({programs.sbin}) did not start: {node.last_words()}",
            within_seconds=120,
        )
        return {
            "url": f"amqp://guest:guest@127.0.0.1:{self._ports['amqp']}/%2F",
            "control": {"command": [str(programs.sbin / "rabbitmqctl")], "environment": environment},
        }

    def stop(self) -> None:
        if self._node:
            self._node.stop(signal.SIGTERM, within_seconds=30)

    def kill(self) -> None:
        if self._node:
            self._node.kill()

    def remove(self) -> None:
        self.kill()
        if self._epmd:
            self._epmd.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start_epmd(self, environment: dict[str, str]) -> None:
        # Left to itself, the node would start an epmd in the background that outlives it. Ours is a child in the foreground, on
        # a port of its own, so that the epmd of the machine's own broker is neither used nor stopped.
        if self._epmd and not self._epmd.has_ended():
            return
        program = shutil.which("epmd", path=environment["PATH"])
        if program is None:
            raise ServiceUnavailable("RabbitMQ is installed, but Erlang's epmd is not on PATH: install erlang-base.")
        epmd = Child(
            [program, "-port", str(self._ports["epmd"]), "-address", "127.0.0.1"],
            log=self._directory / "epmd.log",
            directory=self._directory,
            environment=environment,
        )
        self._epmd = epmd
        wait_until(
            lambda: _accepts(self._ports["epmd"]),
            has_ended=epmd.has_ended,
            says=lambda: f"Erlang's epmd did not start: {epmd.last_words()}",
            within_seconds=10,
        )

    def _environment(self, programs: RabbitMQPrograms) -> dict[str, str]:
        here = self._directory
        environment = {
            "PATH": programs.search_path(),
            "HOME": str(here),  # where the Erlang cookie is
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(here),
            # Makes the start script become the Erlang VM instead of waiting for it, so that our child is the broker itself.
            "detached": "true",
            "RABBITMQ_NODENAME": "feedline@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._ports["amqp"]),
            "RABBITMQ_DIST_PORT": str(self._ports["distribution"]),
            "RABBITMQ_MNESIA_BASE": str(here / "mnesia"),
            "RABBITMQ_LOG_BASE": str(here / "log"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(here / "node.pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._ports["epmd"]),
        }
        if programs.root:
            environment["ERL_ROOTDIR"] = str(programs.root / "usr/lib/erlang")
            environment["LD_LIBRARY_PATH"] = os.pathsep.join(map(str, _library_folders(programs.root)))
        return environment


def _library_folders(root: Path) -> list[Path]:
    return sorted({library.parent for pattern in ("lib/*-linux-*/*.so*", "usr/lib/*-linux-*/*.so*") for library in root.glob(pattern)})


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
