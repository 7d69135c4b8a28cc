"""RabbitMQ servers, and virtual hosts in them."""

import subprocess
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import quote, urlsplit, urlunsplit

from ops.services.errors import ServiceUnavailable
from ops.services.kept import KeptServer
from ops.services.running import Kind

_MANAGEMENT_PORT = 15672
# In Erlang, for `rabbitmqctl eval`: the virtual host V, with every right for one user.
_ADD = (
    'ok = rabbit_vhost:add(V, <<"feedline">>), '
    'ok = rabbit_auth_backend_internal:set_permissions(<<"{user}">>, V, <<".*">>, <<".*">>, <<".*">>, <<"feedline">>)'
)


class RabbitMQServer(KeptServer):
    """A RabbitMQ whose `url` names a user that may do everything in every vhost created here."""

    kind: ClassVar[Kind] = Kind.RABBITMQ

    @classmethod
    def given(cls, url: str) -> "RabbitMQServer":
        """Return a handle on somebody's broker at *url*, administered by its management API on the usual port."""
        parts = urlsplit(url.split(";", maxsplit=1)[0])
        who = f"{parts.username or 'guest'}:{parts.password or 'guest'}"
        return cls({"url": url, "control": {"management_url": f"http://{who}@{parts.hostname}:{_MANAGEMENT_PORT}"}})

    def create_vhosts(self, names: Sequence[str]) -> list[str]:
        """Create virtual hosts and return their AMQP URLs. One call for many: `rabbitmqctl` alone takes 0.35 s to start."""
        if "command" in self.address["control"]:
            self._evaluate(f"[begin {_ADD.format(user=self._user())} end || V <- {_erlang(names)}].")
        else:
            for name in names:
                self._manage("PUT", f"vhosts/{quote(name, safe='')}")
                self._manage(
                    "PUT",
                    f"permissions/{quote(name, safe='')}/{quote(self._user(), safe='')}",
                    {"configure": ".*", "write": ".*", "read": ".*"},
                )
        return [self.vhost_url(name) for name in names]

    def delete_vhosts(self, names: Sequence[str]) -> None:
        """Delete virtual hosts with all that is in them."""
        if "command" in self.address["control"]:
            self._evaluate(f'[rabbit_vhost:delete(V, <<"feedline">>) || V <- {_erlang(names)}].')
        else:
            for name in names:
                self._manage("DELETE", f"vhosts/{quote(name, safe='')}")

    def vhost_url(self, name: str) -> str:
        return urlunsplit(urlsplit(self.url.split(";", maxsplit=1)[0])._replace(path=f"/{quote(name, safe='')}"))

    def control(self, *arguments: str) -> str:
        """Run `rabbitmqctl` and return what it prints. Only for a broker that was started from programs of this machine."""
        done = subprocess.run(
            [*self.address["control"]["command"], *arguments],
            env=self.address["control"]["environment"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServiceUnavailable(f"rabbitmqctl {arguments[0]} failed: {done.stdout.strip()}")
        return done.stdout

    def _evaluate(self, expression: str) -> None:
        self.control("eval", expression)

    def _user(self) -> str:
        return urlsplit(self.url).username or "guest"

    def _manage(self, method: str, path: str, body: dict[str, str] | None = None) -> None:
        import urllib3

        management = urlsplit(self.address["control"]["management_url"])
        try:
            answer = urllib3.request(
                method,
                f"http://{management.hostname}:{management.port}/api/{path}",
                headers=urllib3.make_headers(basic_auth=f"{management.username}:{management.password}"),
                json=body,
                timeout=10,
                retries=5,
            )
        except urllib3.exceptions.HTTPError as error:
            raise ServiceUnavailable(
                f"Virtual hosts are made through RabbitMQ's management API, and {management.hostname}:{management.port} does not answer: "
                "turn on its management plugin, or unset FEEDLINE_AMQP_URL so that a broker of our own is started."
            ) from error
        if answer.status >= 400:
            raise ServiceUnavailable(f"RabbitMQ's management API answered {answer.status} to {method} {path}.")


def _erlang(texts: Sequence[str]) -> str:
    """Return an Erlang list of binaries. The names are ours: letters, digits, `-` and `_`."""
    return "[" + ",".join(f'<<"{text}">>' for text in texts) + "]"
