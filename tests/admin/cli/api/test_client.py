"""What a person reads when a request fails, and which exit code a program gets."""

import socket
import ssl
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trustme

from admin.cli.api.client import Client, open_client
from admin.cli.api.errors import Busy, Refused
from admin.cli.api.options import Bounds
from admin.cli.api.profiles import Server
from admin.cli.failures import CommandRefused
from tests.admin.api import TENANT, Api
from tests.admin.cli.api.run import Run
from tests.support.up_process import csms, one_line

SERVER = Server(url="http://x", api_key="k", key_from="a test", tenant="t")


def make_client(*answers: httpx.Response, server: Server = SERVER) -> Client:
    left = list(answers)
    transport = httpx.MockTransport(lambda _request: left.pop(0))
    return Client(server, httpx.AsyncClient(base_url=server.url, transport=transport))


async def test_an_unknown_charge_point_is_one_line_that_names_the_tenant(run: Run, api: Api) -> None:
    said = one_line(await run("charge-points", "show", "nobody"))
    assert said == (f"csms charge-points show: There is no such charge point. (tenant {TENANT}, {api.url})")


async def test_an_unknown_key_is_one_line_without_the_key(run: Run) -> None:
    said = await run("charge-points", "list", CSMS_API_KEY="csms_abc_thisissecret")
    assert said.returncode == 1
    assert one_line(said) == (
        "csms charge-points list: the server refused the API key in CSMS_API_KEY; use another key, or make "
        "one with csms api-key create"
    )


async def test_without_a_tenant_the_error_says_how_to_name_one(run: Run) -> None:
    assert "no tenant is named; give --tenant" in one_line(await run("tokens", "list", CSMS_TENANT=""))


@pytest.mark.parametrize(
    "arguments", [("tokens", "list", "--limit", "0"), ("tokens", "list", "--al"), ("tokens", "lsit")]
)
def test_a_wrong_option_has_an_exit_code_of_its_own(arguments: tuple[str, ...]) -> None:
    assert csms(*arguments).returncode == 2


def test_a_server_that_does_not_listen_has_an_exit_code_of_its_own() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        done = csms("tokens", "list", env={"CSMS_API_URL": url, "CSMS_API_KEY": "k", "CSMS_TENANT": "t"})
    assert done.returncode == 3
    assert one_line(done).startswith(f"csms tokens list: cannot reach {url} (")


async def test_a_name_with_any_character_stays_one_part_of_the_path() -> None:
    client = make_client()
    assert (
        client.of_tenant("charge-points", "a/b?c#d %é")
        == "/v1/tenants/t/charge-points/a%2Fb%3Fc%23d%20%25%C3%A9"
    )
    url = client.http.build_request("GET", client.of_tenant("charge-points", "..", "trace")).url
    assert url.raw_path == b"/v1/tenants/t/charge-points/%2E%2E/trace"


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (httpx.Response(200, text="a web page"), None, ""),
        (httpx.Response(404, text="a web page"), Refused, "http://x/p answered 404 without saying why"),
        (httpx.Response(404, json=["no problem"]), Refused, "without saying why"),
        (httpx.Response(409, json={"detail": "No."}), Refused, "^No.$"),
        (
            httpx.Response(422, json={"detail": "One.", "errors": [{"detail": "One."}, {"detail": "Two."}]}),
            Refused,
            r"^One\. Two\.$",
        ),
        (httpx.Response(429, json={"detail": "Later."}), Busy, r"^Later\.$"),
        (httpx.Response(503, json={"detail": "Sent?", "id": "a3.x"}), Busy, r"^Sent\? \(command a3\.x\)$"),
        (httpx.Response(503, json={"detail": "Away."}, headers={"Retry-After": "7"}), Busy, r"^Away\.$"),
    ],
)
async def test_an_error_says_what_the_server_said(
    answer: httpx.Response, error: type[CommandRefused] | None, text: str
) -> None:
    client = make_client(answer)
    if error is None:
        assert (await client.ask("GET", "/p")).text == "a web page"
        return
    with pytest.raises(error, match=text) as raised:
        await client.ask("GET", "/p", secret="not shown")
    assert "not shown" not in str(raised.value)
    if isinstance(raised.value, Busy):
        assert raised.value.after_s in {2, 7}
        assert raised.value.exit_code == 3


async def test_a_list_ends_at_its_bound_and_says_that_there_is_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def pages() -> tuple[dict[str, Any], ...]:
        return {"items": [{"n": 1}, {"n": 2}], "next": "c"}, {"items": [{"n": 3}], "next": None}

    async def read(bounds: Bounds) -> list[int]:
        client = make_client(*(httpx.Response(200, json=page) for page in pages()))
        return [item["n"] async for item in client.read_list("/", bounds)]

    assert await read(Bounds(limit=2)) == [1, 2]
    assert "the first 2 items, and there are more; give --limit or --all" in capsys.readouterr().err
    assert await read(Bounds(limit=3)) == await read(Bounds(limit=1, all=True)) == [1, 2, 3]
    assert capsys.readouterr().err == ""


async def test_a_server_without_a_route_is_too_old_for_it() -> None:
    document: dict[str, Any] = {"paths": {"/v1/known": {}}}
    client = make_client(*[httpx.Response(200, json=document)] * 2)
    await client.refuse_if_old("/v1/known")
    with pytest.raises(CommandRefused, match="the server at http://x is too old for this: it has no /v1/new"):
        await client.refuse_if_old("/v1/new")


async def test_a_server_is_trusted_only_by_the_authority_that_the_profile_names(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)

    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        with suppress(trio.BrokenResourceError):  # The client that trusts another authority.
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with trio.open_nursery() as nursery:
        listen = partial(trio.serve_ssl_over_tcp, serve, 0, context, host="127.0.0.1")
        [listener] = await nursery.start(listen)
        url = f"https://localhost:{listener.transport_listener.socket.getsockname()[1]}"
        for file in ("authority.pem", "other.pem"):
            server = Server(url=url, api_key="k", key_from="", tenant=None, ca_file=tmp_path / file)
            async with open_client(server) as client:
                if file == "authority.pem":
                    assert await client.get("/") == {}
                else:
                    with pytest.raises(
                        CommandRefused, match=r"is not trusted \(.*issuer.*\); name its authority"
                    ):
                        await client.get("/")
        nursery.cancel_scope.cancel()


async def test_a_file_without_certificates_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    for content in (None, "no certificate"):
        if content is not None:
            file.write_text(content)
        server = Server(url="https://x", api_key="k", key_from="", tenant=None, ca_file=file)
        with pytest.raises(CommandRefused, match=r"cannot read certificates from .*name a PEM file"):
            async with open_client(server):
                pass
