"""The frame of the command line: help, exit codes, one sentence for what can be foreseen."""

import os
import pty
import resource
import shlex
import subprocess
from collections.abc import Iterator

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from ops.cli import COMMANDS, Entry, command, implementation
from tests.cli.conftest import FEEDLINE, Feedline


def _below(entry: Entry) -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    """Yield the command line and the command of *entry*, and of each command below it."""
    loaded = implementation(entry)
    below = getattr(loaded, "commands", {})
    yield f"feedline {entry.name}", loaded
    for name, found in below.items():
        yield f"feedline {entry.name} {name}", found


def test_help_is_there_before_anybody_gets_impatient() -> None:
    help_ = [str(FEEDLINE), "--help"]
    subprocess.run(help_, capture_output=True, check=True)  # compiles what was not yet

    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(help_, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # The processor's time: a busy machine makes a user wait too, but says nothing of us.
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    assert min(seconds) < 0.4, "0.16 s where nothing else runs; is something heavy imported at the top of a module?"


def test_help_imports_neither_the_database_nor_amazon_s_sdk() -> None:
    heavy = ("sqlalchemy", "alembic", "spapi", "pydantic", "rich", "pika")
    code = f"import sys, ops.cli; ops.cli.command(); print([name for name in {heavy} if name in sys.modules])"

    imported = subprocess.run([str(FEEDLINE.with_name("python")), "-c", code], capture_output=True, text=True, check=True).stdout

    assert imported.strip() == "[]"


def test_the_commands_of_the_contract_are_there() -> None:
    assert {entry.name for entry in COMMANDS} >= {
        "carrier", "orders", "keys", "worker", "db", "connection", "publish", "preview", "status", "run", "runs", "feeds", "trace",
        "results", "rejected", "producttype", "settings", "doctor", "simulator", "listings",
    }  # fmt: skip


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_the_help_of_every_command_explains_it_and_ends_with_an_example(entry: Entry) -> None:
    for line, found in _below(entry):
        assert found.help, f"{line} has no help"
        assert "Example:" in (found.epilog or ""), f'give it epilog=example("{line} ...")'
        assert line in (found.epilog or "")


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_the_examples_use_only_options_that_exist(entry: Entry) -> None:
    arguments = shlex.split(entry.example)[1:]
    assert arguments[0] == entry.name

    found = command()
    with typer.Context(found, info_name="feedline") as context:
        name, resolved, rest = found.resolve_command(context, arguments)
        assert resolved is not None
        # Parsing refuses an option or an argument that the command does not take; it runs nothing.
        resolved.make_context(name, rest, parent=context)


def test_the_version_is_told(feedline: Feedline) -> None:
    done = feedline("--version")

    assert (done.returncode, done.stdout.split()[0]) == (0, "feedline")


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["publish"], ["settings", "--nonsense"], ["publish", "stock", "-f", "x"], ["simulator", "--port", "99999"]],
)
def test_wrong_usage_ends_with_2(feedline: Feedline, settings: dict[str, str], arguments: list[str]) -> None:
    done = feedline(*arguments, settings=settings)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_an_argument_that_is_no_text_is_refused_in_one_sentence(settings: dict[str, str]) -> None:
    done = subprocess.run([FEEDLINE, "trace", b"sku:caf\xe9"], env={**os.environ, **settings}, capture_output=True, check=False)

    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"Argument 2 is not UTF-8" in done.stderr


def test_a_mistyped_command_is_answered_with_the_right_one(feedline: Feedline) -> None:
    assert "'status'" in feedline("statu").stderr


def test_missing_settings_end_with_2_and_name_every_one(feedline: Feedline) -> None:
    done = feedline("db", "upgrade")

    assert done.returncode == 2
    assert all(
        name in done.stderr for name in ("FEEDLINE_DATABASE_URL", "FEEDLINE_AMQP_URL", "FEEDLINE_SECRET_KEYS", "FEEDLINE_LWA_CLIENT_ID")
    )
    assert "Traceback" not in done.stderr


def test_an_unreachable_postgres_is_one_sentence_without_the_password(feedline: Feedline, settings: dict[str, str]) -> None:
    settings["FEEDLINE_DATABASE_URL"] = "postgresql://feedline:marked-password@127.0.0.1:1/feedline"

    done = feedline("db", "upgrade", settings=settings)

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "127.0.0.1" in done.stderr
    assert "marked-password" not in done.stderr


def test_an_unreachable_rabbitmq_is_one_sentence_without_the_password(feedline: Feedline, settings: dict[str, str]) -> None:
    settings["FEEDLINE_AMQP_URL"] = "amqp://feedline:marked-password@127.0.0.1:1/"

    done = feedline("publish", "inventory", "-f", "-", settings=settings, stdin='{"connection": "US", "sku": "A", "price": 1}')

    assert done.returncode == 1
    assert "127.0.0.1:1 (ConnectionRefusedError" in done.stderr
    assert "FEEDLINE_AMQP_URL" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "marked-password" not in done.stderr


def test_a_file_that_is_not_there_is_one_sentence(feedline: Feedline, settings: dict[str, str]) -> None:
    done = feedline("publish", "inventory", "-f", "nowhere.jsonl", settings=settings)

    assert (done.returncode, done.stderr) == (2, "No such file or directory: nowhere.jsonl\n")


def test_a_reader_that_goes_away_is_no_fault() -> None:
    feedline = shlex.quote(str(FEEDLINE))
    done = subprocess.run(
        ["sh", "-c", f"{feedline} settings --new-key | true; {feedline} --help | head -1"], capture_output=True, text=True, check=True
    )

    assert done.stderr == ""


def test_numbers_stay_whole_in_the_narrowest_terminal_and_nothing_is_cut_off() -> None:
    code = "from ops.cli.output import table; table(('feed', 'why', 'count'), [(2771868813623298, 'one two three ' * 9, 123456)])"
    ours, its = pty.openpty()

    subprocess.run([str(FEEDLINE.with_name("python")), "-c", code], stdout=its, env={"COLUMNS": "20", "TERM": "dumb"}, check=True)

    shown = os.read(ours, 65536).decode()
    os.close(ours)
    os.close(its)
    assert "2771868813623298" in shown
    assert "123456" in shown
    assert shown.count("three") == 9


def test_a_simulator_whose_parts_are_not_installed_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None; sys.argv = ['feedline', 'simulator', '--port', '0']; from ops.cli import main; main()"
    )

    done = subprocess.run([str(FEEDLINE.with_name("python")), "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "feedline[simulator]" in done.stderr
