"""Postgres' URL: every form that libpq takes, and nothing of the password in what is said of it."""

from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import text

from ops.services.ports import free_port
from worker.database import Database, sqlalchemy_url
from worker.errors import UsageError


@pytest.mark.parametrize(
    ("authority", "hosts", "ports"),
    [
        ("u:p@h1:5432,h2:5433", "h1,h2", "5432,5433"),
        ("h1,h2:5433", "h1,h2", ",5433"),
        ("u:a,b/c?d@h1:1,h2:2,h3:3", "h1,h2,h3", "1,2,3"),
        ("u@[::1]:1,[fe80::2]", "::1,fe80::2", "1,"),
    ],
)
def test_several_hosts_are_handed_to_libpq(authority: str, hosts: str, ports: str) -> None:
    url = sqlalchemy_url(f"postgresql://{authority}/shop?sslmode=prefer")

    _, given = url.get_dialect()().create_connect_args(url)

    assert (given["host"], given["port"], given["dbname"], given["sslmode"]) == (hosts, ports, "shop", "prefer")


@pytest.mark.parametrize("url", ["postgresql://u:marked@h1:x,h2:2/d", "postgresql://u:marked@h:x/d", "u:marked@h", "mysql://u:marked@h/d"])
def test_a_url_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        sqlalchemy_url(url)

    assert "marked" not in f"{refused.value!r} {refused.value.__cause__!r}"


@pytest.mark.parametrize("url", ["postgresql://u:marked@h1:1,h2:2/d", "postgresql://h/d?user=u&password=marked"])
def test_a_database_prints_without_its_password(url: str) -> None:
    assert "marked" not in repr(Database(url))


def test_the_host_that_answers_is_taken(database: str) -> None:
    there = urlsplit(database)
    login, _, host = there.netloc.rpartition("@")
    several = there._replace(netloc=f"{login}@127.0.0.1:{free_port()},{host}").geturl()

    with closing(Database(several)) as opened, opened.begin() as tx:
        assert tx.execute(text("SELECT count(*) FROM connection")).scalar_one() == 0


def test_the_url_s_own_session_options_hold_beside_ours(database: str) -> None:
    with closing(Database(f"{database}?options=-c%20work_mem%3D7MB")) as opened, opened.begin() as tx:
        assert tx.execute(text("SELECT current_setting('work_mem'), current_setting('jit')")).one() == ("7MB", "off")


def test_a_server_whose_host_vanishes_is_given_up_within_half_a_minute(database: str) -> None:
    with closing(Database(database)) as opened, opened.begin() as tx:
        line = tx.connection.driver_connection
        assert isinstance(line, psycopg.Connection)
        told = line.info.get_parameters()

    assert int(told["keepalives_idle"]) + int(told["keepalives_interval"]) * int(told["keepalives_count"]) < 30
    assert told["tcp_user_timeout"] == "30000"
