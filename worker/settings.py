"""Feedline's settings: environment variables FEEDLINE_*, or the same names in `.env`."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from worker.database import sqlalchemy_url
from worker.errors import UsageError
from worker.logs import redacted
from worker.secrets import Vault

MIB: Final = 1024 * 1024
FEED_BYTES_MARGIN: Final = 64 * 1024
"""Kept free below Amazon's 10 MiB, which its guide calls "under 10 MiB" without saying how it counts."""

AMAZON_LWA_URL: Final = "https://api.amazon.com/auth/o2/token"


class LogFormat(StrEnum):
    CONSOLE = "console"
    JSON = "json"


class Settings(BaseSettings):
    """One process's settings. Secrets do not print."""

    model_config = SettingsConfigDict(
        env_prefix="FEEDLINE_",
        env_file=".env",
        env_file_encoding="utf-8-sig",  # Windows editors put a mark in front
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        str_strip_whitespace=True,  # a secret that was read from a file brings its line's end along
    )

    database_url: SecretStr = Field(description="URL of Postgres 14 or newer; several hosts with a comma between")
    amqp_url: SecretStr = Field(description="RabbitMQ URL(s), ';' between cluster nodes")
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        description="keys that encrypt credentials and personal data at rest, newest first, comma separated"
    )
    lwa_client_id: str = Field(description="the SP-API application's client id")
    lwa_client_secret: SecretStr = Field(description="the SP-API application's client secret")
    lwa_url: str = Field(AMAZON_LWA_URL, description="Login with Amazon token endpoint")
    sp_api_url: str | None = Field(None, description="one base URL for all regions (simulator, sandbox, proxy)")
    http_host: str = Field("127.0.0.1", description="where /metrics, /healthz and /readyz are served")
    http_port: int = Field(9464, ge=0, le=65535, description="their port; 0: any free one, which is logged")
    feed_linger_seconds: float = Field(30, ge=0, le=86_400, description="how long the oldest pending change may wait for company")
    feed_poll_seconds: float = Field(15, gt=0, le=3600, description="first poll interval of a submitted feed (backs off)")
    feed_max_messages: int = Field(25_000, ge=1, le=25_000, description="most messages of one feed")
    feed_max_bytes: int = Field(10 * MIB - FEED_BYTES_MARGIN, ge=1024, le=10 * MIB, description="most bytes of one feed document")
    ingest_batch: int = Field(500, ge=1, le=10_000, description="deliveries staged in one transaction")
    ingest_linger_ms: int = Field(20, ge=0, le=10_000, description="how long a batch waits to be fuller")
    retention_days: int = Field(30, ge=1, le=3650, description="days that messages, outcomes, refused deliveries, feeds and runs are kept")
    drain_seconds: float = Field(30, ge=1, le=3600, description="how long a worker that was asked to stop may finish its work")
    log_format: LogFormat = Field(LogFormat.JSON, description="console or json")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error")

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, url: SecretStr) -> SecretStr:
        _refusing(lambda: sqlalchemy_url(url.get_secret_value()))
        return url

    @field_validator("amqp_url")
    @classmethod
    def _is_amqp(cls, url: SecretStr) -> SecretStr:
        _refusing(lambda: _nodes(url))
        return url

    @field_validator("secret_keys")
    @classmethod
    def _are_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        _refusing(lambda: Vault([key.get_secret_value() for key in keys]))
        return keys

    @field_validator("lwa_url", "sp_api_url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        if url is not None and not _is_http_url(url):
            raise ValueError("it is not an http(s) URL; write https://host/path")
        return url

    @classmethod
    def load(cls, **given: Any) -> Self:  # noqa: ANN401  # whatever a field takes
        """Read the environment. Raises UsageError that names every wrong or missing variable, secrets without their value."""
        try:
            return cls(**given)
        except ValidationError as error:
            raise UsageError("\n".join(_explained(error))) from None
        except UnicodeDecodeError:
            raise UsageError("The file .env is not UTF-8. Save it as UTF-8.") from None

    def vault(self) -> Vault:
        return Vault([key.get_secret_value() for key in self.secret_keys])

    def amqp_urls(self) -> tuple[str, ...]:
        """Return the broker's URLs, one a cluster node."""
        return _nodes(self.amqp_url)


def _nodes(url: SecretStr) -> tuple[str, ...]:
    nodes = tuple(node.strip() for node in url.get_secret_value().split(";") if node.strip())
    if not nodes or not all(_is_amqp_url(node) for node in nodes):
        raise UsageError(
            "it is not an AMQP URL; write amqp://user:password@host:5672/vhost, with %2F for a / in the password, %40 for an @ and so on"
        )
    return nodes


def _is_amqp_url(node: str) -> bool:
    """Whether pika can read the URL. Its complaints repeat parts of the password, so they go no further than here."""
    from pika import URLParameters

    if not node.startswith(("amqp://", "amqps://")):
        return False
    try:
        URLParameters(node)
        behind_the_host = urlsplit(node)[2:]
    except (ValueError, TypeError, SyntaxError, LookupError, AttributeError, OSError):
        return False
    # A /, ? or # in the password ends the host there: the user's name would be taken for it, and what follows for the port.
    return not any("@" in part for part in behind_the_host)


def _is_http_url(url: str) -> bool:
    """Whether there is a host to call. A name with a password is none: nobody would send it, and everybody would print it."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        return False


def _refusing(check: Callable[[], object]) -> None:
    """Turn a UsageError of *check* into what pydantic gathers, so that every setting's fault is told at once."""
    try:
        check()
    except UsageError as error:
        raise ValueError(str(error)) from None


def _explained(error: ValidationError) -> list[str]:
    return [_sentence(fault) for fault in error.errors(include_url=False, include_context=False)]


def _sentence(fault: ErrorDetails) -> str:
    """Name the variable, what is wrong and what it is for; the value too, unless it is a secret."""
    field = str(fault["loc"][0]) if fault["loc"] else ""
    about = Settings.model_fields.get(field)
    name = f"FEEDLINE_{field.upper()}"
    meaning = f" ({about.description})" if about is not None else ""
    if fault["type"] == "missing":
        return f"{name} is missing{meaning}. Set it in the environment or in .env."
    is_open = about is not None and "Secret" not in str(about.annotation) and isinstance(fault["input"], (str, int, float))
    value = f" {redacted(fault['input'])}" if is_open else ""
    return f"{name}{value} is wrong: {fault['msg'].removeprefix('Value error, ')}{meaning}."
