"""Connection, HTTP and TLS: Q1 to Q16."""

import ssl
import subprocess
from contextlib import AsyncExitStack
from functools import partial
from urllib.parse import quote

import pytest
import trio

from gateway.websocket.client import UpgradeRefused, connect
from tests.support.charge_point_peer import charge_point
from tests.support.websocket_frames import frame
from tests.system.quirks.messages import start
from tests.system.quirks.raw_socket import request
from tests.system.quirks.scene import BOOT, AsItShould, Scene
from tests.system.quirks.table import quirk


@quirk(1, "refused", "no_subprotocol", "origin")
async def no_subprotocol(scene: Scene) -> None:
    """This row also covers the client TinyWebsockets, which sends an Origin header of its own."""
    bare = request(scene.path, without="Sec-WebSocket-Protocol")
    origin = request(scene.path, headers=("Origin: https://github.com/",))
    async with scene.upgraded(bare) as socket:
        assert socket.status == 400
        assert "ocpp1.6" in socket.body
    async with scene.upgraded(origin) as socket:
        assert socket.status == (403 if scene.strict else 101)


@quirk(2, "repaired", "no_connection_upgrade", strict="400")
async def no_connection_upgrade(scene: Scene) -> None:
    asking = request(scene.path, without="Connection", headers=("Connection: keep-alive",))
    async with scene.upgraded(asking) as socket:
        assert socket.status == 101
    async with scene.upgraded(request(scene.path, without="Connection")) as socket:
        assert socket.status == 101


@quirk(3, "repaired", "absolute_target", strict="400")
async def absolute_target(scene: Scene) -> None:
    async with scene.upgraded(request(scene.url)) as socket:
        assert socket.status == 101
        assert (await scene.ask("GET")).json()["connection"]["online"]


@quirk(4, "repaired", "double_slash", "trailing_slash", strict="400")
async def slashes(scene: Scene) -> None:
    ahead, _, id_ = scene.path.rpartition("/")
    async with scene.upgraded(request(f"/{ahead}//{id_}/")) as socket:
        assert socket.status == 101
        assert (await scene.ask("GET")).json()["connection"]["online"]


@quirk(5, "repaired", "id_twice", strict="400")
async def id_twice(scene: Scene) -> None:
    """A path without any id cannot be repaired."""
    async with scene.upgraded(request(f"{scene.path}/{scene.name}")) as socket:
        assert socket.status == 101
        assert (await scene.ask("GET")).json()["connection"]["online"]
    async with scene.upgraded(request(scene.path.rpartition("/")[0])) as socket:
        assert socket.status == 400
        assert "id is missing" in socket.body


@quirk(6, "repaired", "raw_target", strict="400")
async def special_characters(scene: Scene) -> None:
    """Percent-encoded characters are correct, and raw bytes are repaired."""
    plain = scene.name
    for scene.name in (f"{plain}.a|b é", f"{plain} raw"):
        await scene.register()
    ahead = scene.path.rpartition("/")[0]
    async with scene.upgraded(request(f"{ahead}/{plain} raw")) as socket:
        assert socket.status == 101
        assert (await scene.ask("GET")).json()["connection"]["online"]
    scene.name = f"{plain}.a|b é"
    async with scene.upgraded(request(f"{ahead}/{quote(scene.name, safe='')}")) as socket:
        assert socket.status == 101
        assert (await scene.ask("GET")).json()["connection"]["online"]
    scene.name = f"{plain} raw"


@quirk(7, "repaired", "id_case", strict="400")
async def id_in_another_case(scene: Scene) -> None:
    """The letter case of an id is repaired only if exactly one spelling is registered, and only if unknown
    ids are refused.
    """
    ahead = scene.path.rpartition("/")[0]
    async with scene.upgraded(request(f"{ahead}/{scene.name.lower()}")) as socket:
        assert socket.status == 101
        assert (await scene.ask("GET")).json()["connection"]["online"]
    plain, scene.name = scene.name, scene.name.upper()
    await scene.register()
    async with scene.upgraded(request(f"{ahead}/{plain.lower()}")) as socket:
        # Two registered ids differ in case only, so csms cannot know which of them is meant.
        assert socket.status == 404
    scene.name = plain


@quirk(8, "refused", nobodys=("tls_version",))
async def old_tls(scene: Scene) -> None:
    """The TLS handshake fails before the charge point can give its id."""
    site = scene.site
    counted = (await scene.metric()).get("tls_version", 0)
    for version in ("-tls1", "-tls1_1"):
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{site.gateway.ports['wss']}", version]
        options = ["-servername", "localhost", "-cipher", "ALL:@SECLEVEL=0"]
        run = partial(
            subprocess.run, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
        )
        found = await trio.to_thread.run_sync(run, [*command, *options])
        assert "SSL alert number 70" in found.stderr, found.stderr  # protocol_version
    assert (await scene.metric())["tls_version"] == counted + 2


@quirk(9, "not detectable")
async def own_root_store(scene: Scene) -> None:
    """csms cannot see whether the charge point knows the root, so it sends the whole chain below the root."""
    site = scene.site
    url = scene.url.replace("ws://", "wss://").replace(
        str(site.gateway.ports["ws"]), str(site.gateway.ports["wss"])
    )
    knowing, ignorant = ssl.create_default_context(cafile=site.ca_file), ssl.create_default_context()
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        async with connect(url, ssl_context=ignorant, server_hostname="localhost"):
            pass
    async with connect(url, ssl_context=knowing, server_hostname="localhost") as connection:
        assert connection.tls is not None
        assert (await scene.ask("GET")).json()["connection"]["online"]


@quirk(10, "tolerated", "no_pong", strict="cut off", strict_faults=())
async def no_pong(scene: Scene) -> None:
    """This gateway waits 2.5 s for a PONG.

    A second PING proves that the gateway goes on without a PONG.
    """
    async with scene.upgraded() as socket:
        try:
            while socket.pings < 2:
                await socket.read()
        except EOFError:
            assert scene.strict
            raise AsItShould from None
        assert not scene.strict


@quirk(11, "tolerated", "call_unanswered")
async def answers_no_call(scene: Scene) -> None:
    deaf = True
    async with scene.station(lambda _action, _payload: None if deaf else {"status": "Accepted"}) as station:
        answer = await scene.command("ClearCache", {}, timeout=1)
        assert answer.status_code == 504
        assert "currentTime" in await station.call("Heartbeat", {})
        deaf = False
        answer = await scene.command("ClearCache", {})
        assert (answer.status_code, answer.json()["response"]) == (200, {"status": "Accepted"})


@quirk(12, "tolerated")
async def redials_whatever_it_is_told(scene: Scene) -> None:
    """A charge point that was refused many times is admitted as soon as it is registered."""
    assert (await scene.ask("DELETE")).status_code == 204
    for _ in range(15):
        async with scene.upgraded() as socket:
            assert socket.status == 404
    await scene.register()
    async with scene.upgraded() as socket:
        assert socket.status == 101


@quirk(13, "refused", "flapping")
async def replaces_its_own_connection(scene: Scene) -> None:
    """The newest connection replaces the present one about five times a minute.

    After that the present connection stays, and the next connection gets 429. A connection that comes before
    the last takeover was counted still replaces the present one.
    """
    async with AsyncExitStack() as stack:
        present = [await stack.enter_async_context(charge_point(scene.url)) for _ in range(6)]

        async def connect_until_refused() -> None:
            while len(present) < 12:
                present.append(await stack.enter_async_context(charge_point(scene.url)))

        with pytest.raises(UpgradeRefused) as refused:
            await connect_until_refused()
        assert refused.value.status == 429
        assert "retry-after" in dict(refused.value.headers)
        assert (await present[-1].exchange("BootNotification", BOOT))[0] == 3


@quirk(14, "tolerated")
async def several_subprotocols(scene: Scene) -> None:
    """The server chooses ocpp1.6 from the offered subprotocols. Row Q1 covers an offer without ocpp1.6."""
    async with connect(scene.url, subprotocols=("ocpp2.0.1", "ocpp1.6", "ocpp1.5")) as connection:
        assert connection.subprotocol == "ocpp1.6"
        assert (await scene.ask("GET")).json()["connection"]["online"]


@quirk(
    15,
    "repaired",
    "empty_frame",
    "binary_frame",
    strict="a binary frame gets CLOSE 1003",
    strict_faults=("empty_frame",),
)
async def empty_and_binary_frames(scene: Scene) -> None:
    """An empty frame needs no answer. A binary frame is read as text."""
    async with scene.upgraded() as socket:
        await socket.send(frame(0x81))
        await socket.exchange("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"})
        if scene.strict:
            await socket.send(frame(0x82, b'[2,"b","Heartbeat",{}]'))
            opcode, content = await socket.read()
            assert (opcode, content[:2]) == (8, (1003).to_bytes(2))
            raise AsItShould
        number = (await socket.exchange("StartTransaction", start(), first=0x82))[2]["transactionId"]
        assert [found["ocpp_transaction_id"] for found in await scene.transactions()] == [number]


@quirk(16, "not detectable")
async def wants_its_key_in_hexadecimal(scene: Scene) -> None:
    """The value is sent exactly in the form in which the operator gave it."""
    async with scene.station() as station:
        for value in ("4F43545420323031362B", "plain and long enough"):
            answer = await scene.command("ChangeConfiguration", {"key": "AuthorizationKey", "value": value})
            assert answer.status_code == 200
            assert station.peer.asked[-1][2] == {"key": "AuthorizationKey", "value": value}
