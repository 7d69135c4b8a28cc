"""`feedline settings`: every setting with its value, default and meaning, also while some of them are wrong."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from ops.cli.output import Json, emit, note, say, table

if TYPE_CHECKING:
    from worker.settings import Settings

HIDDEN: Final = "***"


def settings(
    *,
    new_key: Annotated[bool, typer.Option("--new-key", help="Print a new key for FEEDLINE_SECRET_KEYS, and nothing else.")] = False,
    as_json: Json = False,
) -> None:
    """List every setting with its value, default and meaning.

    Works while settings are missing or wrong, and then ends with exit code 2. Secrets are never printed.
    """
    if new_key:
        from worker.secrets import new_key as make

        say(make())
        return
    found = list(survey())
    if as_json:
        emit([line._asdict() for line in found])
    else:
        table(
            ("name", "value", "from", "default", "meaning"),
            [(line.name, line.value, line.origin, line.default, line.meaning) for line in found],
        )
    faults = [line.fault for line in found if line.fault]
    for fault in faults:
        note(fault)
    if faults:
        raise typer.Exit(2)


class Line(NamedTuple):
    """One setting. `value` is None where it is not set, a secret's is hidden; `fault` says what is wrong with it, and what to do."""

    name: str
    value: str | None
    origin: str
    default: str | None
    required: bool
    secret: bool
    meaning: str
    fault: str | None


def survey() -> Iterator[Line]:
    """Yield every setting as it is now, each with its own fault: one wrong setting does not hide the others."""
    from worker.logs import redacted
    from worker.settings import Settings

    environment, dotenv = _sources()
    faults = _faults()
    for field, about in Settings.model_fields.items():
        name = f"FEEDLINE_{field.upper()}"
        raw = environment.get(field, dotenv.get(field))
        secret = "Secret" in str(about.annotation)
        default = None if about.is_required() or about.default is None else str(about.default)
        yield Line(
            name=name,
            value=(HIDDEN if secret else str(redacted(raw))) if raw is not None else default,
            origin="environment" if field in environment else ".env" if field in dotenv else "default" if default is not None else "",
            default=default,
            required=about.is_required(),
            secret=secret,
            meaning=about.description or "",
            fault=faults.get(name),
        )


def unknown_variables() -> list[str]:
    """Return the names of FEEDLINE_* variables, of the environment and of .env, that are no setting."""
    import os
    from pathlib import Path

    from dotenv import dotenv_values

    from worker.settings import Settings

    known = {f"FEEDLINE_{field.upper()}" for field in Settings.model_fields}
    file = Path(".env")
    named = {*os.environ, *(dotenv_values(file, encoding="utf-8-sig") if file.is_file() else ())}
    return sorted(name for name in named if name.upper().startswith("FEEDLINE_") and name.upper() not in known)


def _sources() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return what the environment and .env say, by field, before any of it is judged."""
    from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

    from worker.settings import Settings

    return EnvSettingsSource(Settings)(), DotEnvSettingsSource(Settings)()


def lenient() -> tuple["Settings", dict[str, str]]:
    """Return the settings with a harmless value in place of every faulty one, and the faults by variable name."""
    from worker.settings import Settings

    faults = _faults()
    harmless = _harmless()
    given = {field: harmless[field] for field in Settings.model_fields if f"FEEDLINE_{field.upper()}" in faults}
    return Settings.load(**given), faults


def _faults() -> dict[str, str]:
    """Return the fault of each setting that has one, by variable name: every setting is judged beside harmless others."""
    from worker.errors import UsageError
    from worker.settings import Settings

    harmless = _harmless()
    found = {}
    for field in Settings.model_fields:
        try:
            Settings.load(**{other: value for other, value in harmless.items() if other != field})
        except UsageError as error:
            found[f"FEEDLINE_{field.upper()}"] = str(error)
    return found


def _harmless() -> dict[str, Any]:
    from worker.secrets import new_key
    from worker.settings import Settings

    required = {
        "database_url": "postgresql://localhost/feedline",
        "amqp_url": "amqp://localhost",
        "secret_keys": new_key(),
        "lwa_client_id": "-",
        "lwa_client_secret": "-",
    }
    return {field: required.get(field, about.default) for field, about in Settings.model_fields.items()}
