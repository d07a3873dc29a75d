"""Every error is a problem document, whichever part of the server finds it."""

from collections.abc import AsyncIterator

import httpx
import pytest
import trio
from quart import Quart

from admin.config import AdminLimits
from admin.http.problems import Problem, add_to_problem
from state.errors import StoreUnavailable
from state.store import Store
from state.tenants import tenants
from tests.admin.api import Api, serving
from tests.admin.problem import is_problem

PROFILES = "/v1/tenants/acme/charge-points/CP-1/charging-profiles"


async def test_an_unknown_path_is_answered_404_with_and_without_an_api_key(api: Api) -> None:
    is_problem(await api.client.get("/nowhere"), 404, "not-found")
    async with httpx.AsyncClient(verify=False) as stranger:
        is_problem(await stranger.get(f"{api.url}/nowhere"), 404, "not-found")


async def test_a_wrong_method_is_answered_405_with_the_allowed_methods(api: Api) -> None:
    response = await api.client.post("/v1/tenants/acme")
    is_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/tenants/acme", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/v1/tenants/acme/tokens/x", "DELETE, OPTIONS, PATCH"),
        (
            "/v1/tenants/acme/charge-points/CP-1/charging-profiles/composite-schedule",
            "GET, HEAD, OPTIONS, POST",
        ),
        (f"{PROFILES}/7", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
async def test_options_and_405_list_exactly_the_methods_of_the_path(
    api: Api, path: str, methods: str
) -> None:
    options = await api.client.options(path)
    assert (options.status_code, options.content) == (204, b"")
    assert options.headers["allow"] == methods
    wrong = await api.client.request("TRACE", path)
    is_problem(wrong, 405, "method-not-allowed")
    assert wrong.headers["allow"] == methods
    is_problem(await api.client.options("/nowhere"), 404, "not-found")


async def test_head_has_the_headers_of_get_and_no_body(api: Api) -> None:
    for path in ("/v1/tenants", "/v1/tenants/acme", "/v1/tenants/nobody", "/openapi.json", "/docs"):
        head, get = await api.client.head(path), await api.client.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        for header in ("content-type", "content-length"):
            assert head.headers[header] == get.headers[header]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/tenants/acme"),
        ("PUT", "/v1/tenants/acme"),
        ("DELETE", "/v1/tenants/acme"),
        ("GET", "/v1/tenants"),
        ("GET", "/v1/tenants/acme/events"),
        ("GET", "/v1/tenants/acme/charge-points/CP-1/trace/stream"),
        ("POST", "/v1/tenants/acme/charge-points/CP-1/disconnect"),
        ("GET", "/v1/nodes"),
    ],
)
async def test_a_parameter_that_the_route_does_not_have_is_answered_422(
    api: Api, method: str, path: str
) -> None:
    response = await api.client.request(method, f"{path}?limt=1")
    document = is_problem(response, 422, "invalid-request")
    assert [error["parameter"] for error in document["errors"]] == ["limt"]
    assert (await api.client.get("/v1/tenants/acme")).status_code == 200


async def test_a_whole_number_in_a_body_may_be_written_with_a_fraction_of_zero(api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    for text, status in (("60.0", 201), ("6e1", 200), ("60.5", 422)):
        response = await api.client.put(
            "/v1/tenants/acme/charge-points/CP-1",
            content=f'{{"heartbeat_interval_s": {text}}}',
            headers=headers,
        )
        assert response.status_code == status
        if status != 422:
            assert response.json()["heartbeat_interval_s"] == 60
    command = "/v1/tenants/acme/charge-points/CP-1/commands/UnlockConnector"
    for text, status in (("1.0", 409), ("1.5", 422)):  # The charge point is offline.
        content = f'{{"connectorId": {text}}}'
        assert (await api.client.post(command, content=content, headers=headers)).status_code == status


async def test_a_body_that_is_not_declared_as_json_is_answered_415(api: Api) -> None:
    response = await api.client.put("/v1/tenants/acme", content=b"{}", headers={"Content-Type": "text/plain"})
    is_problem(response, 415, "unsupported-media-type")


async def test_a_body_that_is_not_json_is_answered_400(api: Api) -> None:
    for content in (b"{", b"\xff\xfe", b"nul"):
        response = await api.client.put(
            "/v1/tenants/acme", content=content, headers={"Content-Type": "application/json"}
        )
        is_problem(response, 400, "not-json")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"auto_register": "yes"}, "/auto_register"),
        ({"nme": "x"}, "/nme"),
        ({"name": "x" * 256}, "/name"),
        ([], ""),
    ],
)
async def test_a_body_with_invalid_content_is_answered_422_with_the_place_of_the_error(
    api: Api, body: object, pointer: str
) -> None:
    document = is_problem(await api.client.put("/v1/tenants/acme", json=body), 422, "invalid-request")
    assert [fault["pointer"] for fault in document["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("limt=1", "limt"),
        ("limit=1&limit=2", "limit"),
        ("cursor=%21", "cursor"),
    ],
)
async def test_an_invalid_query_is_answered_422_with_the_name_of_the_parameter(
    api: Api, query: str, parameter: str
) -> None:
    for path in ("/v1/tenants", "/v1/tenants/acme/charge-points", "/v1/tenants/acme/transactions"):
        document = is_problem(await api.client.get(f"{path}?{query}"), 422, "invalid-request")
        assert [fault["parameter"] for fault in document["errors"]] == [parameter]


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_that_is_too_large_is_answered_413(api: Api, chunked: bool) -> None:  # noqa: FBT001
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 8192

    content = chunks() if chunked else b" " * (64 * 8192)
    response = await api.client.put(
        "/v1/tenants/acme",
        content=content,
        headers={"Content-Type": "application/json"},
    )
    is_problem(response, 413, "body-too-large")


async def test_a_body_that_never_ends_is_answered_408(store: Store) -> None:
    await tenants.put(store, "acme", name="", auto_register=False)
    async with serving(store, AdminLimits(body_s=0.2)) as api:
        stream = await trio.open_tcp_stream("127.0.0.1", api.port)
        key = api.client.headers["Authorization"]
        head = f"PUT /v1/tenants/acme HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n"
        await stream.send_all(
            f"{head}Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{{".encode()
        )
        with trio.fail_after(60):
            answer = await stream.receive_some()
        assert answer.startswith(b"HTTP/1.1 408 ")
        await stream.aclose()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/tenants/a%00b",
        "/v1/tenants/a%ffb",
        "/v1/tenants/a%0Ab",
        "/v1/tenants/acme/charge-points/%C2%85",
        "/v1/tenants/acme/id-tags/%E2%80%AE",
        "/v1/tenants/" + "a" * 256,
    ],
)
async def test_a_path_with_an_unprintable_or_too_long_name_is_answered_400(api: Api, path: str) -> None:
    is_problem(await api.client.get(path), 400, "bad-path")


async def test_the_names_in_a_path_are_decoded_exactly_once_and_may_contain_escaped_slashes(api: Api) -> None:
    for name, encoded in (("a/b", "a%2Fb"), ("a%2Fb", "a%252Fb"), ("ä b?#", "%C3%A4%20b%3F%23"), ("+", "+")):
        response = await api.client.put(f"/v1/tenants/acme/id-tags/{encoded}", json={})
        assert response.status_code == 201, response.text
        assert response.json()["tag"] == name
        assert (await api.client.get(f"/v1/tenants/acme/id-tags/{encoded}")).json()["tag"] == name
    # A raw slash separates two parts of a path, and a part must not be empty.
    is_problem(await api.client.get("/v1/tenants/acme/id-tags/a/b"), 404, "not-found")
    is_problem(await api.client.get("/v1/tenants/acme//id-tags"), 404, "not-found")


@pytest.mark.parametrize("content", [b'{"a":' * 20_000, b'{"a":' + b"[" * 50_000])
async def test_a_deeply_nested_body_is_answered_400_or_422(api: Api, content: bytes) -> None:
    await api.client.put("/v1/tenants/acme/charge-points/CP-1", json={})
    for path in ("/v1/tenants/acme", "/v1/tenants/acme/charge-points/CP-1/commands/DataTransfer"):
        response = await api.client.request(
            "POST" if "commands" in path else "PUT",
            path,
            content=content,
            headers={"Content-Type": "application/json"},
        )
        assert response.status_code in {400, 422}, response.text


async def test_a_request_target_that_is_not_a_url_is_answered_404(api: Api) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", api.port)
    async with stream:
        await stream.send_all(b"GET http://[/v1/tenants HTTP/1.1\r\nHost: x\r\n\r\n")
        with trio.fail_after(60):
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 404 ")


MALFORMED = (
    b"GET http://x/v1/nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET ?x HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 9 + b"\xff" * 100,
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nHTTP2-Settings: !\r\n\r\n",
    b"NONSENSE\r\n\r\n",
    b"\r\n".join(
        (
            b"GET /v1/tenants HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
    ),
)


async def test_malformed_requests_do_not_cause_a_restart_of_the_server(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    for request in MALFORMED:
        stream = await trio.open_tcp_stream("127.0.0.1", api.port)
        await stream.send_all(request)
        await stream.send_eof()
        with trio.move_on_after(2):
            while await stream.receive_some():
                pass
        await stream.aclose()
    with trio.fail_after(60):
        assert (await api.client.get("/v1/tenants")).status_code == 200
    assert "connection.crashed" not in capsys.readouterr().out


async def test_a_bug_in_a_route_is_answered_500_without_internal_details(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret of the machine room")

    monkeypatch.setattr(tenants, "list_", broken)
    response = await api.client.get("/v1/tenants")
    is_problem(response, 500, "internal-error")
    assert "machine room" not in response.text


async def test_a_request_id_that_the_client_sends_is_used_only_if_it_has_the_right_form(api: Api) -> None:
    response = await api.client.get("/v1/tenants", headers={"X-Request-Id": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1"
    response = await api.client.get("/v1/tenants", headers={"X-Request-Id": "<script>"})
    assert response.headers["x-request-id"] != "<script>"


async def test_the_503_answer_for_an_unavailable_store_lists_the_steps_that_are_already_done() -> None:
    async with Quart("test").app_context():
        with pytest.raises(Problem) as raised, add_to_problem(steps=[1]):
            raise StoreUnavailable("for a test")
    assert (raised.value.status, raised.value.members) == (503, {"steps": [1]})
