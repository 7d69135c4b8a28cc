import json

import pytest

from ops.simulator.control import Simulator
from tests.simulator.client import Answer, Client


def test_a_refresh_token_becomes_an_access_token(client: Client) -> None:
    answer = client.log_in()

    assert answer.json["access_token"].startswith("Atza|")
    assert answer.json["token_type"] == "bearer"
    assert answer.json["expires_in"] == 3600
    assert answer.json["refresh_token"] == client.credentials.refresh_token


def test_the_parameters_may_be_json(client: Client) -> None:
    given = {"grant_type": "refresh_token", **client.credentials._asdict()}
    del given["seller_id"]

    answer = client.http.request("POST", client.simulator.lwa_url, body=json.dumps(given), headers={"Content-Type": "application/json"})

    assert answer.status == 200


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"refresh_token": "Atzr|unknown"}, 400, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "unknown"}, 401, "invalid_client"),
        ({"refresh_token": None}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_a_refusal_has_the_shape_of_oauth(client: Client, changes: dict[str, str | None], status: int, error: str) -> None:
    answer = client.log_in(**changes)

    assert answer.status == status
    assert answer.json["error"] == error
    assert answer.json["error_description"]


def test_a_refresh_token_works_for_its_own_application_only(simulator: Simulator, client: Client) -> None:
    simulator.register_seller("A3THIRD", client_id="another application", client_secret="its secret")

    answer = client.log_in(client_id="another application", client_secret="its secret")

    assert answer.json["error"] == "invalid_grant"


def test_earlier_access_tokens_stay_valid(client: Client) -> None:
    first = client.token
    client.log_in()
    client.token = first

    assert client.call("GET", "/sellers/v1/marketplaceParticipations").status == 200


def test_an_access_token_lives_for_an_hour_of_virtual_time(simulator: Simulator, client: Client) -> None:
    path = "/sellers/v1/marketplaceParticipations"

    simulator.advance(3599)
    young = client.call("GET", path)
    simulator.advance(1)
    old = client.call("GET", path)

    assert young.status == 200
    assert old.status == 403
    assert old.error == {
        "code": "Unauthorized",
        "message": "Access to requested resource is denied.",
        "details": "The access token you provided has expired.",
    }


def test_a_fast_clock_tells_the_lifetime_in_real_seconds(simulator: Simulator, client: Client) -> None:
    simulator.set_speed(60)

    answer: Answer = client.log_in()

    assert answer.json["expires_in"] == 60
