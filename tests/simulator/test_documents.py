import gzip

from ops.simulator.control import Simulator
from tests.simulator.client import GERMANY, Client, availability, patch


def test_the_content_type_is_compared_character_by_character(client: Client) -> None:
    document = client.create_document("application/json; charset=UTF-8")

    for near in ("application/json;charset=UTF-8", "application/json; charset=utf-8", "application/json"):
        refused = client.put(document["url"], b"{}", near)
        assert refused.status == 403
        assert refused.headers["Content-Type"] == "application/xml"
        assert b"<Code>SignatureDoesNotMatch</Code>" in refused.body

    accepted = client.put(document["url"], b"{}", "application/json; charset=UTF-8")
    assert accepted.status == 200
    assert accepted.body == b""
    assert accepted.headers["ETag"]


def test_an_upload_url_lives_for_five_minutes_of_virtual_time(simulator: Simulator, client: Client) -> None:
    document = client.create_document()

    simulator.advance(300)
    young = client.put(document["url"], b"{}")
    simulator.advance(1)
    old = client.put(document["url"], b"{}")

    assert young.status == 200
    assert old.status == 403
    assert b"<Code>AccessDenied</Code><Message>Request has expired</Message><X-Amz-Expires>300</X-Amz-Expires>" in old.body


def test_a_fast_clock_tells_the_lifetime_of_a_url_in_real_seconds(simulator: Simulator, client: Client) -> None:
    simulator.set_speed(60)

    assert "X-Amz-Expires=5&" in client.create_document()["url"]


def test_a_token_beside_the_signature_is_refused(client: Client) -> None:
    document = client.create_document()

    assert client.put(document["url"], b"{}", x_amz_access_token=client.token).status == 400


def test_a_signature_is_good_for_its_own_document_and_method_only(client: Client) -> None:
    first, second = client.create_document(), client.create_document()
    foreign = first["url"].replace(first["feedDocumentId"], second["feedDocumentId"])

    assert client.put(foreign, b"{}").status == 403
    assert client.get(first["url"]).status == 403


def test_the_last_upload_wins(client: Client) -> None:
    document = client.create_document()
    client.put(document["url"], b"first")
    client.put(document["url"], b"second")

    url = client.document(document["feedDocumentId"])["url"]

    assert client.get(url).body == b"second"


def test_a_result_is_gzip_and_says_so(simulator: Simulator, client: Client) -> None:
    feed_id = client.send(patch("A", availability(quantity=1)))
    simulator.advance(120)
    result_id = client.feed(feed_id)["resultFeedDocumentId"]

    plain = client.document(result_id)
    named = client.document(result_id, "?enableContentEncodingUrlHeader=true")
    answer = client.get(plain["url"])

    assert plain["compressionAlgorithm"] == "GZIP"
    assert answer.headers["Content-Encoding"] == "identity"
    assert gzip.decompress(answer.body).startswith(b'{"header"')
    assert client.get(named["url"]).headers["Content-Encoding"] == "gzip"
    assert client.get(named["url"], unpack=True).body.startswith(b'{"header"')


def test_a_document_means_nothing_to_another_seller(client: Client, other: Client) -> None:
    document_id = client.upload(b"{}")

    assert other.call("GET", f"/feeds/2021-06-30/documents/{document_id}").status == 404
    assert other.create_feed(document_id).status == 400


def test_a_document_means_nothing_in_another_region(simulator: Simulator, client: Client) -> None:
    document_id = client.upload(b"{}")
    in_europe = Client(simulator, simulator.register_seller(client.seller_id, (GERMANY,), refresh_token="Atzr|europe"), GERMANY)
    assert in_europe.log_in().status == 200

    answers = [in_europe.call("GET", f"/feeds/2021-06-30/documents/{document_id}"), in_europe.create_feed(document_id)]
    in_europe.http.clear()

    assert [answer.status for answer in answers] == [404, 400]


def test_documents_of_any_content_type_can_be_created(client: Client) -> None:
    assert client.upload(b"<a/>", "text/xml; charset=UTF-8")
    assert client.call("POST", "/feeds/2021-06-30/documents", {"contentType": ""}).status == 400
    assert client.call("POST", "/feeds/2021-06-30/documents", b"{").status == 400
