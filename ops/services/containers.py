"""Postgres and RabbitMQ in Docker containers, through testcontainers."""

from ops.services.errors import ServiceUnavailable
from ops.services.ports import free_port
from ops.services.readiness import amqp_answers, postgres_answers, wait_until
from ops.services.roles import ADMINISTRATOR, PASSWORD, prepare_role, role_url
from ops.services.running import Address, Durability

_POSTGRES_IMAGE = "postgres:16-alpine"
_RABBITMQ_IMAGE = "rabbitmq:3.13-management-alpine"


def docker_answers() -> bool:
    """Whether a Docker engine answers; a `docker` program on PATH means nothing."""
    try:
        import docker
        from docker.errors import DockerException
    except ImportError:
        return False
    try:
        docker.from_env(timeout=2).ping()
    except DockerException:
        return False
    return True


class _Container:
    """A container whose ports stay the same when it is stopped and started, as a client expects of a server."""

    def __init__(self, image: str, ports: dict[int, int], environment: dict[str, str], command: str = "") -> None:
        from testcontainers.core.container import DockerContainer

        self._container = DockerContainer(image)
        for inside, outside in ports.items():
            self._container.with_bind_ports(inside, outside)
        for name, value in environment.items():
            self._container.with_env(name, value)
        if command:
            self._container.with_command(command)
        self._exists = False

    def start(self) -> str:
        """Create or start the container and return the host that its ports are on."""
        if self._exists:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._exists = True
        return str(self._container.get_container_host_ip())

    def stop(self) -> None:
        self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def remove(self) -> None:
        if self._exists:
            self._container.stop()

    def has_ended(self) -> bool:
        wrapped = self._container.get_wrapped_container()
        wrapped.reload()
        return bool(wrapped.status in {"exited", "dead"})


class DockerPostgres:
    def __init__(self, durability: Durability) -> None:
        self._port = free_port()
        fast = " -c fsync=off -c full_page_writes=off" if durability is Durability.FAST else ""
        self._container = _Container(
            _POSTGRES_IMAGE,
            {5432: self._port},
            {"POSTGRES_USER": ADMINISTRATOR, "POSTGRES_PASSWORD": PASSWORD},
            f"postgres -c max_connections=200 -c shared_buffers=256MB -c max_wal_size=2GB{fast}",
        )
        self._is_new = True

    def start(self) -> Address:
        host = self._container.start()
        administrator_url = f"postgresql://{ADMINISTRATOR}:{PASSWORD}@{host}:{self._port}/postgres"
        wait_until(
            lambda: postgres_answers(administrator_url),
            has_ended=self._container.has_ended,
            says=lambda: f"The container of {_POSTGRES_IMAGE} did not start.",
            within_seconds=120,
        )
        if self._is_new:
            prepare_role(administrator_url)
            self._is_new = False
        return {"url": role_url(self._port, host), "control": {}}

    def stop(self) -> None:
        self._container.stop()

    def kill(self) -> None:
        self._container.kill()

    def remove(self) -> None:
        self._container.remove()


class DockerRabbitMQ:
    def __init__(self) -> None:
        self._port, self._management_port = free_port(), free_port()
        self._container = _Container(_RABBITMQ_IMAGE, {5672: self._port, 15672: self._management_port}, {})

    def start(self) -> Address:
        try:
            host = self._container.start()
        except OSError as error:
            raise ServiceUnavailable(f"The container of {_RABBITMQ_IMAGE} did not start: {error}") from error
        wait_until(
            lambda: amqp_answers(self._port, host),
            has_ended=self._container.has_ended,
            says=lambda: f"The container of {_RABBITMQ_IMAGE} did not start.",
            within_seconds=180,
        )
        return {
            "url": f"amqp://guest:guest@{host}:{self._port}/%2F",
            "control": {"management_url": f"http://guest:guest@{host}:{self._management_port}"},
        }

    def stop(self) -> None:
        self._container.stop()

    def kill(self) -> None:
        self._container.kill()

    def remove(self) -> None:
        self._container.remove()
