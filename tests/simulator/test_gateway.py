import pytest

from ops.simulator.control import Simulator
from tests.simulator.client import US, Client

PARTICIPATIONS = "/sellers/v1/marketplaceParticipations"
FEEDS = "/feeds/2021-06-30/feeds"


@pytest.mark.parametrize(
    ("token", "details"),
    [
        (None, "Access token is missing in the request header."),
        ("Atza|made up", "The access token you provided is revoked, malformed or invalid."),
    ],
)
def test_a_call_without_a_good_token_is_denied(client: Client, token: str | None, details: str) -> None:
    answer = client.call("GET", PARTICIPATIONS, x_amz_access_token=token)

    assert answer.status == 403
    assert answer.error == {"code": "Unauthorized", "message": "Access to requested resource is denied.", "details": details}


def test_revoked_access_tokens_are_denied_and_the_refresh_token_works_on(simulator: Simulator, client: Client) -> None:
    simulator.revoke_access_tokens(client.seller_id)

    denied = client.call("GET", PARTICIPATIONS)
    client.log_in()

    assert denied.status == 403
    assert client.call("GET", PARTICIPATIONS).status == 200


def test_the_bucket_holds_the_burst_and_refills_at_the_rate(simulator: Simulator, client: Client) -> None:
    path = f"{FEEDS}/1"

    burst = [client.call("GET", path).status for _ in range(16)]
    simulator.advance(0.5)
    refilled = [client.call("GET", path).status for _ in range(2)]

    assert burst == [404] * 15 + [429]
    assert refilled == [404, 429]


def test_a_throttled_call_takes_no_token(simulator: Simulator, client: Client) -> None:
    path = f"{FEEDS}/1"
    for _ in range(15):
        client.call("GET", path)

    throttled = [client.call("GET", path) for _ in range(5)]
    simulator.advance(0.5)

    assert {answer.status for answer in throttled} == {429}
    assert throttled[0].error == {"code": "QuotaExceeded", "message": "You exceeded your quota for the requested resource.", "details": ""}
    assert client.call("GET", path).status == 404


def test_buckets_of_sellers_and_operations_are_apart(client: Client, other: Client) -> None:
    for _ in range(16):
        client.call("GET", f"{FEEDS}/1")

    assert other.call("GET", f"{FEEDS}/1").status == 404
    assert client.call("DELETE", f"{FEEDS}/1").status == 404


def test_two_applications_of_one_seller_have_their_own_buckets(simulator: Simulator, client: Client) -> None:
    second = Client(simulator, simulator.register_seller(client.seller_id, client_id="second", client_secret="s", refresh_token="Atzr|2"))
    second.log_in()
    for _ in range(16):
        client.call("GET", f"{FEEDS}/1")

    assert second.call("GET", f"{FEEDS}/1").status == 404


def test_the_rate_header_tells_the_plan_times_the_speed(simulator: Simulator, client: Client) -> None:
    slow = client.call("GET", PARTICIPATIONS).headers["x-amzn-RateLimit-Limit"]
    simulator.set_speed(60)
    fast = client.call("GET", PARTICIPATIONS).headers["x-amzn-RateLimit-Limit"]

    assert (slow, fast) == ("0.016", "0.96")


def test_amazon_may_change_the_plan_of_a_seller(simulator: Simulator, client: Client, other: Client) -> None:
    simulator.set_limits(seller_plans={client.seller_id: {"getFeed": {"rate": 10, "burst": 1}}})

    mine = [client.call("GET", f"{FEEDS}/1") for _ in range(2)]
    theirs = [other.call("GET", f"{FEEDS}/1") for _ in range(2)]

    assert [answer.status for answer in mine] == [404, 429]
    assert mine[0].headers["x-amzn-RateLimit-Limit"] == "10"
    assert [answer.status for answer in theirs] == [404, 404]


def test_a_body_that_is_not_json_by_its_type_is_refused(client: Client) -> None:
    answer = client.call("POST", "/feeds/2021-06-30/documents", {"contentType": "text/xml"}, content_type="text/plain")

    assert answer.status == 415


def test_a_call_without_user_agent_is_refused(client: Client) -> None:
    assert client.call("GET", PARTICIPATIONS, user_agent=None).status == 400


def test_a_path_that_does_not_exist_is_answered_by_amazon_not_by_a_framework(client: Client) -> None:
    answer = client.call("GET", "/feeds/2020-09-04/feeds", checked=False)

    assert answer.status == 404
    assert answer.error["code"] == "NotFound"
    assert answer.headers["x-amzn-RequestId"]


def test_unknown_query_parameters_are_ignored(client: Client) -> None:
    assert client.call("GET", f"{FEEDS}?feedTypes=JSON_LISTINGS_FEED&MarketplaceIds={US}&colour=blue").status == 200


def test_the_call_log_tells_who_asked_and_what_was_answered(simulator: Simulator, client: Client) -> None:
    client.call("GET", PARTICIPATIONS)
    client.call("GET", f"{FEEDS}/1")

    calls = simulator.calls(seller=client.seller_id)

    assert [(call["operation"], call["status"]) for call in calls] == [
        ("token", 200),
        ("getMarketplaceParticipations", 200),
        ("getFeed", 404),
    ]
    assert simulator.call_counts()["getFeed"] == {"404": 1}
    assert simulator.calls("getFeed", limit=1)[0]["path"] == f"{FEEDS}/1"


def test_a_seller_takes_part_in_the_marketplaces_of_the_tokens_region(client: Client) -> None:
    answer = client.call("GET", PARTICIPATIONS)

    marketplaces = [one["marketplace"] for one in answer.json["payload"]]
    assert [one["countryCode"] for one in marketplaces] == ["US", "CA"]
    assert marketplaces[1]["defaultCurrencyCode"] == "CAD"
