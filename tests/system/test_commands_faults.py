"""Commands while a connection or the store fails: none is sent twice, and no outcome is lost."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio

from gateway.websocket.close_codes import Close, ConnectionClosed
from gateway.websocket.limits import Limits
from state.scripts import SCRIPTS
from tests.support.charge_point_peer import charge_point as raw_charge_point
from tests.support.fault_proxy import fault_proxy
from tests.support.raw_upgrade import dial, read_answer, request
from tests.support.waiting import until
from tests.system.central import Central, Process

type Gateways = tuple[Process, Process]


@pytest.mark.parametrize("goodbye", ["close", "drop"])
async def test_a_reset_is_accepted_even_if_the_connection_ends_right_after_the_answer(
    central: Central, gateways: Gateways, goodbye: str
) -> None:
    """The answer and the end of the connection arrive together."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            trio.open_nursery() as nursery,
            raw_charge_point(tenant.url(gateways[0], "cp"), lambda *_: None) as cp,
        ):
            answers: list[Any] = []

            async def ask() -> None:
                answers.append(await api.post("/charge-points/cp/commands/Reset", json={"type": "Hard"}))

            nursery.start_soon(ask)
            await cp.wait_asked()
            await cp.send([3, cp.asked[0][0], {"status": "Accepted"}])
            if goodbye == "close":
                await cp.connection.close(Close.LOAD_TEST_OVER)
            else:
                cp.connection._stream.abort()
        [answer] = answers
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "answered"
    assert answer.json()["response"] == {"status": "Accepted"}


async def test_an_answer_to_a_command_is_kept_while_the_store_is_away(central: Central) -> None:
    """The gateway keeps the outcome until the store takes it."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}", store__timeout_s=0.5) as gateway,
            raw_charge_point(tenant.url(gateway, "cp"), lambda *_: None) as cp,
        ):
            sent = await api.post("/charge-points/cp/commands/ClearCache?wait=0", json={})
            command = sent.json()["id"]
            await cp.wait_asked()
            proxy.refuse = True
            proxy.cut()
            await cp.send([3, command, {"status": "Accepted"}])
            refused = await cp.exchange(
                "Authorize", {"idTag": "X"}
            )  # The gateway has read the answer to the command by now.
            assert refused[2] == "InternalError"
            proxy.refuse = False

            async def answered() -> bool:
                return bool((await api.get(f"/commands/{command}")).json()["status"] == "answered")

            await until(answered)
            assert len(cp.asked) == 1


async def test_a_command_is_sent_once_even_if_the_reply_to_the_claim_of_the_command_is_lost(
    central: Central,
) -> None:
    """The store claims the command, but the reply of the store is lost.

    The command is still sent, and only once.
    """
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}", store__timeout_s=0.5) as gateway,
            raw_charge_point(tenant.url(gateway, "cp")) as cp,
        ):
            await cp.call("Heartbeat", {})
            proxy.swallow_from = SCRIPTS["commands/claim"].sha.encode()
            sent = await api.post("/charge-points/cp/commands/ClearCache?wait=0", json={})
            command = sent.json()["id"]

            async def has(status: str) -> bool:
                return bool((await api.get(f"/commands/{command}")).json()["status"] == status)

            await until(lambda: has("sent"))
            refused = await cp.exchange("Authorize", {"idTag": "X"})
            assert refused[2] == "InternalError"
            assert cp.asked == []
            proxy.replies.swallow = False
            await until(lambda: has("answered"))
            assert [id_ for id_, _, _ in cp.asked] == [command]


async def test_one_remote_start_is_sent_although_the_reply_to_its_submission_was_lost(
    central: Central, gateways: Gateways
) -> None:
    """The admin process asks the store again under the same id."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            fault_proxy(central.valkey.path) as proxy,
            central.second_admin(f"redis://127.0.0.1:{proxy.port}", store__timeout_s=0.5) as admin,
            tenant.api(admin) as api,
            raw_charge_point(tenant.url(gateways[0], "cp")) as cp,
            trio.open_nursery() as nursery,
        ):
            await cp.call("Heartbeat", {})
            answers: list[Any] = []

            async def ask() -> None:
                path = "/charge-points/cp/commands/RemoteStartTransaction?timeout=60"
                answers.append(await api.post(path, json={"idTag": "DRIVER"}))

            proxy.swallow_from = SCRIPTS["commands/submit"].sha.encode()
            nursery.start_soon(ask)
            await cp.wait_asked()  # The gateway has found the command, of which the admin process is unsure.
            assert answers == []
            proxy.replies.swallow = False
            await until(lambda: bool(answers))
            assert answers[0].status_code == 200, answers[0].text
            assert [id_ for id_, _, _ in cp.asked] == [answers[0].json()["id"]]


@pytest.mark.parametrize("goodbye", ["close", "drop"])
async def test_a_request_is_answered_504_outcome_unknown_when_the_charge_point_hangs_up_without_an_answer(
    central: Central, gateways: Gateways, goodbye: str
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, trio.open_nursery() as nursery:
            answers: list[Any] = []

            async def ask() -> None:
                path = "/charge-points/cp/commands/Reset?timeout=600"
                answers.append(await api.post(path, json={"type": "Hard"}, timeout=90))

            async with raw_charge_point(tenant.url(gateways[0], "cp"), lambda *_: None) as cp:
                nursery.start_soon(ask)
                await cp.wait_asked()
                if goodbye == "close":
                    await cp.connection.close(Close.LOAD_TEST_OVER)
                else:
                    cp.connection._stream.abort()
    [answer] = answers
    assert (answer.status_code, answer.json()["type"]) == (504, "urn:csms:problem:outcome-unknown")
    assert answer.json()["detail"].startswith("The connection of the charge point ended before it answered")
    shown = answer.json()["command"]
    assert (shown["status"], shown["reason"]) == ("unknown", "connection_ended")
    assert shown["settled_at"] is not None


async def test_a_request_is_answered_502_when_the_answer_of_the_charge_point_is_over_the_limit(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    long = {"configurationKey": [{"key": "K", "readonly": True, "value": "x" * Limits().message_bytes}]}
    with trio.fail_after(120):
        async with tenant.api() as api, trio.open_nursery() as nursery:
            answers: list[Any] = []

            async def ask() -> None:
                path = "/charge-points/cp/commands/GetConfiguration?timeout=600"
                answers.append(await api.post(path, json={}, timeout=90))

            async with raw_charge_point(tenant.url(gateways[0], "cp"), lambda *_: None) as cp:
                nursery.start_soon(ask)
                await cp.wait_asked()
                with suppress(ConnectionClosed):
                    await cp.send([3, cp.asked[0][0], long])
                await until(lambda: bool(answers))
    [answer] = answers
    assert answer.status_code == 502, answer.text
    assert answer.json()["detail"] == (
        "The charge point's answer cannot be read: the charge point sent a message over the limit, so csms "
        "closed the connection."
    )


async def test_a_command_that_comes_while_a_session_closes_is_sent_on_the_next_connection(
    central: Central, gateways: Gateways
) -> None:
    """The charge point does not answer the CLOSE of csms, so the session lasts some seconds longer."""
    tenant = central.tenant()
    url = tenant.url(gateways[0], "cp")
    with trio.fail_after(120):
        async with tenant.api() as api:
            with dial(url) as slow:
                slow.sendall(request(urlsplit(url).path))
                assert (await trio.to_thread.run_sync(read_answer, slow)).status == 101

                async def online() -> bool:
                    return bool((await api.get("/charge-points/cp")).json()["connection"]["online"])

                await until(online)
                assert (await api.post("/charge-points/cp/disconnect")).status_code == 202
                slow.settimeout(60)
                close = await trio.to_thread.run_sync(slow.recv, 4096)
                assert close[0] == 0x88
                sent = await api.post("/charge-points/cp/commands/ClearCache?timeout=60&wait=0", json={})
                assert sent.json()["status"] == "queued", sent.text
                command = sent.json()["id"]
                async with raw_charge_point(url) as cp:

                    async def answered() -> bool:
                        return bool((await api.get(f"/commands/{command}")).json()["status"] == "answered")

                    await until(answered)
                    assert [id_ for id_, _, _ in cp.asked] == [command]
