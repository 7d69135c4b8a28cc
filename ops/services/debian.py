"""RabbitMQ from Debian's or Ubuntu's package archive, for machines that have none.

Root gets it installed. Anybody else gets the packages unpacked into a cache folder, once.
"""

import contextlib
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ops.services.errors import ServiceUnavailable
from ops.services.programs import RabbitMQPrograms, debian_sbin, find_rabbitmq

# What RabbitMQ's package asks of Erlang, for the case that apt believes it to be installed already.
_PACKAGES = (
    "rabbitmq-server",
    *(f"erlang-{part}" for part in ("base", "asn1", "crypto", "eldap", "inets", "mnesia", "os-mon", "parsetools", "public-key")),
    *(f"erlang-{part}" for part in ("runtime-tools", "ssl", "syntax-tools", "tools", "xmerl")),
    "socat",
)
_POLICY = Path("/usr/sbin/policy-rc.d")


def provide_rabbitmq() -> RabbitMQPrograms | None:
    """Install or unpack RabbitMQ where Debian's tools are at hand; None where they are not."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return None
    return _install() if os.geteuid() == 0 else _unpacked()


def _install() -> RabbitMQPrograms | None:
    _say("RabbitMQ is not installed: running apt-get install rabbitmq-server (once)")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _services_stay_stopped():
        _run(["apt-get", "-q", "update"], environment)
        _run(["apt-get", "-q", "install", "-y", "--no-install-recommends", "rabbitmq-server"], environment)
    return find_rabbitmq()


@contextlib.contextmanager
def _services_stay_stopped() -> Iterator[None]:
    """Keep the packages from starting the machine's own broker: ours is a private one."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


def _unpacked() -> RabbitMQPrograms:
    root = _cache() / "rabbitmq"
    if not root.exists():
        _say(f"RabbitMQ is not installed: unpacking Debian's packages into {root} (about 35 MB to fetch, once)")
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent, prefix="unpacking-") as work:
            unpacked = _unpack(Path(work))
            _point_erlang_at(unpacked, root)
            with contextlib.suppress(OSError):  # another process was faster; its folder is as good
                unpacked.rename(root)
    sbin = debian_sbin(root)
    if sbin is None:
        raise ServiceUnavailable(f"The folder {root} holds no RabbitMQ: remove it and try again.")
    return RabbitMQPrograms(sbin, root)


def _unpack(work: Path) -> Path:
    """Fetch the packages without root's package lists and without root's lock."""
    for folder in ("lists/partial", "cache/archives/partial", "packages", "root"):
        (work / folder).mkdir(parents=True)
    options = [
        f"Dir::State::lists={work}/lists",
        f"Dir::Cache={work}/cache",
        f"APT::Sandbox::User={pwd.getpwuid(os.geteuid()).pw_name}",
        "Debug::NoLocking=1",
    ]
    apt = ["apt-get", "-q", *(part for option in options for part in ("-o", option))]
    _run([*apt, "update"])
    # A dry run names whatever this very machine lacks, libraries included.
    plan = _run([*apt, "--simulate", "--no-install-recommends", "install", "rabbitmq-server"])
    missing = re.findall(r"^Inst (\S+) ", plan, flags=re.MULTILINE)
    _run([*apt, "download", *(missing if "rabbitmq-server" in missing else _PACKAGES)], directory=work / "packages")
    root = work / "root"
    for package in sorted((work / "packages").glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(root)])
    return root


def _point_erlang_at(root: Path, final_root: Path) -> None:
    """Debian's `erl` has its folder written into it and ignores ERL_ROOTDIR."""
    erlang = root / "usr/lib/erlang"
    for script in [*erlang.glob("bin/erl"), *erlang.glob("bin/start"), *erlang.glob("erts-*/bin/erl"), *erlang.glob("erts-*/bin/start")]:
        if script.is_file() and not script.is_symlink():
            script.write_text(script.read_text().replace("=/usr/lib/erlang", f"={final_root}/usr/lib/erlang"))


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "feedline"


def _run(command: Sequence[str], environment: dict[str, str] | None = None, directory: Path | None = None) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=environment,
        cwd=directory,
    )
    if done.returncode:
        said = " / ".join(line for line in done.stdout.splitlines()[-4:] if line.strip())
        raise ServiceUnavailable(
            f"RabbitMQ is not installed, and fetching it failed ({' '.join(command[:1])}: {said}): install rabbitmq-server, "
            "or set FEEDLINE_AMQP_URL to one that runs."
        )
    return done.stdout


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
