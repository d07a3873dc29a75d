"""Admission of charge points, and the answers to refused charge points."""

import subprocess
from functools import partial
from urllib.parse import quote, urlsplit

import pytest
import trio

from gateway.websocket.client import UpgradeRefused
from gateway.websocket.close_codes import Close
from state.scripts import SCRIPTS
from tests.support.charge_point_peer import Peer, charge_point
from tests.support.csms_up import Running
from tests.support.fault_proxy import fault_proxy
from tests.support.raw_upgrade import Answer, dial, read_answer, request, upgrade
from tests.support.waiting import until
from tests.system.central import Central, Process, Tenant

type Gateways = tuple[Process, Process]


@pytest.fixture(scope="module")
def tenant(central: Central) -> Tenant:
    return central.tenant()


# --- TLS ---


def _s_client(running: Running, *options: str) -> subprocess.CompletedProcess[str]:
    port = urlsplit(running.wss).port
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", running.ca_file]
    return subprocess.run(
        [*command, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize(
    "options", [("-servername", "elsewhere.example"), ("-noservername",)], ids=["wrong", "none"]
)
def test_a_client_without_our_server_name_gets_the_alert_unrecognized_name(
    running: Running, version: str, options: tuple[str, ...]
) -> None:
    found = _s_client(running, version, *options)
    # Alert 112 is unrecognized_name (RFC 6066). The text of OpenSSL for this alert varies.
    assert "SSL alert number 112" in found.stderr, found.stderr
    assert "BEGIN CERTIFICATE" not in found.stdout


@pytest.mark.parametrize("algorithm", ["ECDSA", "RSA"])
def test_a_client_with_our_server_name_gets_a_certificate_of_the_key_type_that_it_supports(
    running: Running, algorithm: str
) -> None:
    suite = f"ECDHE-{algorithm}-AES128-GCM-SHA256" if algorithm == "ECDSA" else "AES128-GCM-SHA256"
    found = _s_client(running, "-servername", "localhost", "-tls1_2", "-cipher", suite, "-brief")
    assert f"Ciphersuite: {suite}" in found.stderr, found.stderr
    assert "Verification: OK" in found.stderr


def test_tls_versions_older_than_1_2_are_refused(running: Running) -> None:
    found = _s_client(running, "-servername", "localhost", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    assert "SSL alert number 70" in found.stderr, found.stderr  # protocol_version


# --- Subprotocol ---


def test_a_handshake_that_does_not_offer_ocpp_1_6_is_refused(tenant: Tenant, gateways: Gateways) -> None:
    url = tenant.url(gateways[0], "version")
    for offered in ("ocpp0.1", "ocpp2.0.1, ocpp1.5", "OCPP1.6", None):
        answer = upgrade(url, protocols=offered)
        assert answer.status == 400
        assert "ocpp1.6" in answer.body
        assert "upgrade" not in answer.headers


def test_subprotocols_may_be_offered_on_two_header_lines(tenant: Tenant, gateways: Gateways) -> None:
    url = tenant.url(gateways[0], "lines")
    answer = upgrade(url, protocols="ocpp0.1", headers=["Sec-WebSocket-Protocol: ocpp1.6"])
    assert (answer.status, answer.headers["sec-websocket-protocol"]) == (101, "ocpp1.6")


@pytest.mark.parametrize("offered", ["ocpp0.1, ocpp1.6", "ocpp1.6", "ocpp1.6,ocpp2.0.1"])
def test_ocpp_1_6_is_chosen_from_several_subprotocols(
    tenant: Tenant, gateways: Gateways, offered: str
) -> None:
    answer = upgrade(tenant.url(gateways[0], f"v{len(offered)}"), protocols=offered)
    assert (answer.status, answer.headers["sec-websocket-protocol"]) == (101, "ocpp1.6")
    assert "sec-websocket-extensions" not in answer.headers


def test_compression_is_never_negotiated(tenant: Tenant, gateways: Gateways) -> None:
    answer = upgrade(
        tenant.url(gateways[0], "deflate"), headers=["Sec-WebSocket-Extensions: permessage-deflate"]
    )
    assert answer.status == 101
    assert "sec-websocket-extensions" not in answer.headers


# --- Tokens and names ---


def test_a_handshake_with_a_wrong_token_gets_the_same_answer_as_one_with_an_unknown_tenant(
    central: Central, tenant: Tenant, gateways: Gateways
) -> None:
    url = tenant.url(gateways[0], "cp")
    wrong = [
        upgrade(url, path=path)
        for path in (
            f"/OCPP16/{tenant.id}/{'x' * len(tenant.token)}/cp-401",
            f"/OCPP16/{tenant.id}/{tenant.token[:-1]}/cp-401",
            f"/OCPP16/nobody/{tenant.token}/cp-401",
            f"/OCPP16/{central.tenant().id}/{tenant.token}/cp-401",
            f"/OCPP16/{tenant.id}/{tenant.token.swapcase()}/cp-401",
        )
    ]
    assert {answer.status for answer in wrong} == {401}
    assert len({answer.body for answer in wrong}) == 1
    assert len({tuple(sorted(set(answer.headers) - {"date"})) for answer in wrong}) == 1


@pytest.mark.parametrize(
    ("id_", "says"),
    [
        ("%ff", "UTF-8"),
        ("%C3%28", "UTF-8"),
        ("a%00b", "control character"),
        ("a%0Ab", "control character"),
        ("a%7F", "control character"),
        ("%E2%80%AE", "control character"),
        ("a:b", "':'"),
        ("a%3Ab", "':'"),
        ("a%2Fb", "'/'"),
        ("a" * 256, "255"),
        ("%C3%A9" * 128, "255"),
        ("", "missing"),
        ("cp/other", "path must be"),
    ],
)
def test_a_bad_charge_point_id_is_refused(tenant: Tenant, gateways: Gateways, id_: str, says: str) -> None:
    answer = upgrade(tenant.url(gateways[0], ""), path=f"/OCPP16/{tenant.id}/{tenant.token}/{id_}")
    assert answer.status == 400
    assert says in answer.body
    assert tenant.token not in answer.body


@pytest.mark.parametrize(
    "path", ["/", "/OCPP16", "/OCPP16/{t}/{k}", "/ocpp16/{t}/{k}/cp", "//{t}/{k}/cp", "/OCPP16//{k}/cp"]
)
def test_a_handshake_whose_url_path_is_bad_is_refused(tenant: Tenant, gateways: Gateways, path: str) -> None:
    path = path.format(t=tenant.id, k=tenant.token)
    answer = upgrade(tenant.url(gateways[0], ""), path=path)
    assert answer.status == 400
    assert tenant.token not in answer.body


@pytest.mark.parametrize(
    "id_",
    [
        "a b.c-d_e",
        "Ladestation Köln 7",
        "充电桩",
        "x" * 255,
        "%20",
        "a%2520b",
        "+",
        "a+b&c=d?e#f;g",
        "é" * 127,
    ],
)
async def test_a_charge_point_id_is_percent_decoded_exactly_once(
    tenant: Tenant, gateways: Gateways, id_: str
) -> None:
    async with tenant.api() as api, charge_point(tenant.url(gateways[0], id_)):
        found = await api.get(f"/charge-points/{quote(id_, safe='')}")
        assert found.status_code == 200
        assert found.json()["id"] == id_
        assert found.json()["connection"]["online"] is True


def test_a_charge_point_id_that_consists_of_dots_is_not_resolved_as_a_path(
    tenant: Tenant, gateways: Gateways
) -> None:
    """An id that consists of two dots does not mean the parent directory."""
    answer = upgrade(tenant.url(gateways[0], ""), path=f"/OCPP16/{tenant.id}/{tenant.token}/%2e%2e")
    assert answer.status == 101


# --- Known charge points ---


async def test_unknown_charge_points_are_refused_and_registered_charge_points_are_admitted(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant(auto_register=False)
    assert (await ask(tenant.url(gateways[0], "new"))).status == 404
    async with tenant.api() as api:
        assert (await api.get("/charge-points/new")).status_code == 404
        assert (await api.put("/charge-points/new", json={})).status_code == 201
        async with charge_point(tenant.url(gateways[0], "new")) as cp:
            boot = {"chargePointVendor": "v", "chargePointModel": "m"}
            assert (await cp.call("BootNotification", boot))["status"] == "Accepted"


async def test_a_handshake_with_an_origin_header_is_served_and_counted_unless_the_charge_point_is_strict(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    url, origin = tenant.url(gateways[0], "web"), ["Origin: https://page.example"]
    assert (await ask(url, origin)).status == 101
    async with tenant.api() as api:

        async def is_counted() -> bool:
            counted = (await api.get("/charge-points/web/faults")).json()["items"]
            return [(one["name"], one["count"]) for one in counted] == [("origin", 1)]

        await until(is_counted)
        assert (await api.put("/charge-points/web", json={"strict": True})).status_code == 200
        refused = await ask(url, origin)
        assert refused.status == 403
        assert "Origin" in refused.body
        assert (await ask(url)).status == 101
        assert (await api.put("/charge-points/web", json={"origin_allowed": True})).status_code == 422


async def ask(url: str, headers: list[str] | None = None) -> Answer:
    return await trio.to_thread.run_sync(lambda: upgrade(url, headers=headers or []))


# --- Too many, too early, too late ---


def test_failed_handshakes_are_limited_for_each_address_and_for_each_charge_point_id(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    wrong = f"/OCPP16/{tenant.id}/{'x' * 43}/guessed"
    url = tenant.url(gateways[0], "guessed")
    statuses = [upgrade(url, path=wrong).status for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert 0 < int(upgrade(url, path=wrong).headers["retry-after"]) <= 61
    # Even the right token must wait now, or else nothing would stop an attacker who guesses.
    assert upgrade(url).status == 429
    # Other charge points may share the address, so they are served.
    assert upgrade(tenant.url(gateways[0], "neighbour")).status == 101
    assert upgrade(tenant.url(gateways[0], "other")).status == 101


async def test_a_handshake_is_answered_503_while_the_store_is_away(central: Central) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}", store__timeout_s=1) as gateway,
        ):
            url = tenant.url(gateway, "cp")
            assert (await ask(url)).status == 101
            proxy.refuse = True
            proxy.cut()
            assert await refused_for_now(url)
            proxy.refuse = False
            await until(lambda: admitted(url))
            # The store is silent but still connected, so only the gateway's time-out notices it.
            proxy.replies.swallow = True
            assert await refused_for_now(url)
            proxy.replies.swallow = False


async def test_a_lease_is_released_if_the_reply_to_the_claim_of_the_lease_is_lost(central: Central) -> None:
    """The lease was claimed, but the reply was lost.

    The lease is released, so that the charge point does not look online.
    """
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}", store__timeout_s=0.5) as gateway,
        ):

            async def online() -> bool:
                found = await api.get("/charge-points/ghost")
                return bool(found.status_code == 200 and found.json()["connection"]["online"])

            async def offline() -> bool:
                return not await online()

            url = tenant.url(gateway, "ghost")
            proxy.swallow_from = SCRIPTS["nodes/claim"].sha.encode()
            assert await refused_for_now(url)
            assert await online()
            proxy.replies.swallow = False
            await until(offline)
            # The gateway may still open other connections again on which the proxy swallowed replies.
            await until(partial(connects, url))


async def connects(url: str) -> bool:
    """Connect and send a Heartbeat. False means that the store was not ready yet."""
    try:
        async with charge_point(url) as cp:
            await cp.call("Heartbeat", {})
    except UpgradeRefused:
        return False
    return True


async def refused_for_now(url: str) -> bool:
    answer = await ask(url)
    return answer.status == 503 and int(answer.headers["retry-after"]) > 0


async def test_a_gateway_with_its_maximum_number_of_connections_refuses_further_connections(
    central: Central,
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            central.gateway(limits__connections=2) as gateway,
            charge_point(tenant.url(gateway, "one")),
            charge_point(tenant.url(gateway, "two")) as two,
        ):
            url = tenant.url(gateway, "three")
            assert await refused_for_now(url)
            await two.connection.close(Close.LOAD_TEST_OVER)
            await until(lambda: admitted(url))


async def admitted(url: str) -> bool:
    return (await ask(url)).status == 101


async def said_goodbye(*peers: Peer) -> bool:
    return any(peer.closed for peer in peers)


async def test_a_gateway_refuses_new_connections_during_its_drain(central: Central) -> None:
    """A connection without an upgrade request is refused once the drain has begun."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            central.gateway(drain__window_s=60) as gateway,
            charge_point(tenant.url(gateway, "one")) as one,
            charge_point(tenant.url(gateway, "two")) as two,
        ):
            with dial(tenant.url(gateway, "late")) as sock:
                await one.call("Heartbeat", {})
                gateway.terminate()
                await until(lambda: said_goodbye(one, two))
                sock.sendall(request(urlsplit(tenant.url(gateway, "late")).path))
                answer = await trio.to_thread.run_sync(read_answer, sock)
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) > 0


async def test_a_charge_point_whose_connection_is_refused_is_not_registered(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    url = tenant.url(gateways[0], "ghost")
    paths = f"/OCPP16/{tenant.id}/{'x' * 43}/ghost", f"/OCPP16/{tenant.id}/{tenant.token}/gh%2Fost"
    for path in paths:
        answer = await trio.to_thread.run_sync(partial(upgrade, url, path=path))
        assert answer.status in {400, 401}
    assert (await trio.to_thread.run_sync(lambda: upgrade(url, protocols="ocpp2.0.1"))).status == 400
    async with tenant.api() as api:
        assert (await api.get("/charge-points")).json()["items"] == []
