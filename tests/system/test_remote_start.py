"""Remote starts from the request to the transaction, over real websockets and even if a gateway fails."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio

from state.keys import ChargePointKeys
from state.store import StoreConfig, open_store
from tests.support.charge_point_peer import charge_point, in_one_breath, now
from tests.support.waiting import until
from tests.system.central import Central, Process

type Gateways = tuple[Process, Process]

PATH = "/charge-points/cp/commands"
ASKED = {"idTag": "TAG", "connectorId": 1}
ACCEPTED = {"status": "Accepted"}


def accepts(_action: str, _payload: Any) -> Any:
    return ACCEPTED


def is_silent(_action: str, _payload: Any) -> Any:
    return None


@asynccontextmanager
async def asking(
    api: httpx.AsyncClient, query: str = "wait_for=transaction&wait=30"
) -> AsyncIterator[list[httpx.Response]]:
    """Let an operator wait for a command while the block runs. The answer is there when the block ends."""
    answers: list[httpx.Response] = []

    async def ask() -> None:
        answers.append(await api.post(f"{PATH}/RemoteStartTransaction?{query}", json=ASKED))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        yield answers


async def status(api: httpx.AsyncClient, command: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get(f"/commands/{command}")).json()
    return found


async def becomes(api: httpx.AsyncClient, command: str, wanted: str) -> None:
    async def is_so() -> bool:
        return bool((await status(api, command))["status"] == wanted)

    await until(is_so)


async def test_the_operator_gets_the_transaction_id_of_a_remote_start(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp"), accepts) as cp:
            async with asking(api) as answers:
                await cp.wait_asked()
                assert [(action, payload) for _, action, payload in cp.asked] == [
                    ("RemoteStartTransaction", ASKED)
                ]
                await becomes(api, cp.asked[0][0], "answered")
                started = await cp.start(tag="tag")
            [response] = answers
            assert response.status_code == 200, response.text
            answer = response.json()
            assert answer["transaction_id"] == f"cp.{started['transactionId']}"
            shown = await api.get(f"/transactions/{answer['transaction_id']}")
            assert shown.json()["id_tag"] == "tag"


async def test_a_transaction_that_starts_right_after_the_answer_to_a_remote_start_belongs_to_the_command(
    central: Central, gateways: Gateways
) -> None:
    """The charge point sends its answer and StartTransaction together, in each of several rounds.

    The answer stores an expected transaction, which the handler of StartTransaction must find.
    """
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp"), is_silent) as cp:
            for number in range(1, 9):
                async with asking(api) as answers:
                    await cp.wait_asked(number)
                    start = ASKED | {"meterStart": number, "timestamp": now()}
                    await in_one_breath(
                        cp, [3, cp.asked[-1][0], ACCEPTED], [2, f"s{number}", "StartTransaction", start]
                    )
                [response] = answers
                assert response.status_code == 200, response.text
                await cp.call("Heartbeat", {})  # By now StartTransaction is answered too.
                transaction_id = cp.answers[f"s{number}"][2]["transactionId"]
                assert response.json()["transaction_id"] == f"cp.{transaction_id}"


@pytest.mark.parametrize("how", ["kill", pytest.param("stop", marks=pytest.mark.slow)])
async def test_a_transaction_belongs_to_its_remote_start_even_if_it_starts_at_another_gateway(
    central: Central, how: str
) -> None:
    """The expected start is in the store, so another gateway can assign the transaction to the command."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, central.gateway() as second:
            async with (
                central.gateway() as first,
                charge_point(tenant.url(first, "cp"), accepts) as cp,
                asking(api) as answers,
            ):
                await cp.wait_asked()
                await becomes(api, cp.asked[0][0], "answered")
                first.kill() if how == "kill" else first.terminate()
                await cp.wait_closed()
                assert answers == []
                async with charge_point(tenant.url(second, "cp"), accepts) as again:
                    started = await again.start()
                    # The charge point has accepted the remote start before, so csms does not send the command
                    # again.
                    assert again.asked == []
            [response] = answers
            assert response.status_code == 200, response.text
            assert response.json()["transaction_id"] == f"cp.{started['transactionId']}"


async def test_a_remote_start_gets_the_status_unknown_if_the_gateway_dies_before_the_answer(
    central: Central,
) -> None:
    """The charge point's answer is unknown. The operator gets the status unknown, and csms does not guess."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, central.gateway() as second:
            async with (
                central.gateway() as first,
                charge_point(tenant.url(first, "cp"), is_silent) as cp,
                asking(api) as answers,
            ):
                await cp.wait_asked()
                first.kill()
                await cp.wait_closed()
                async with charge_point(tenant.url(second, "cp"), accepts) as again:
                    # csms sent the command on the old connection, so an answer on the new connection is
                    # ignored.
                    await again.send([3, cp.asked[0][0], ACCEPTED])
                    await again.start()
                    await becomes(api, cp.asked[0][0], "unknown")
                    assert again.asked == []
            [response] = answers
            assert response.status_code == 504, response.text
            assert response.json()["type"] == "urn:csms:problem:outcome-unknown"
            assert (await status(api, cp.asked[0][0]))["transaction_id"] is None


async def test_a_remote_start_that_is_answered_late_still_gets_the_transaction(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp"), is_silent) as cp:
            async with asking(api, "timeout=1") as answers:
                await cp.wait_asked()
            [response] = answers
            assert response.status_code == 504, response.text
            command = response.json()["id"]
            await cp.send([3, command, ACCEPTED])
            await becomes(api, command, "answered")
            started = await cp.start()

            async def has_the_transaction() -> bool:  # The start is answered first.
                found = (await status(api, command))["transaction_id"]
                return bool(found == f"cp.{started['transactionId']}")

            await until(has_the_transaction)


async def test_the_outcomes_of_commands_are_stored_in_the_order_of_the_answers(
    central: Central, gateways: Gateways
) -> None:
    """A late answer and the next answer arrive together. A later outcome may undo an earlier one."""
    tenant = central.tenant()
    keys = ChargePointKeys(tenant.id, "cp")
    with trio.fail_after(120):
        async with (
            open_store(StoreConfig(url=central.valkey.url)) as store,
            tenant.api() as api,
            charge_point(tenant.url(gateways[0], "cp"), is_silent) as cp,
        ):
            expected = []
            for number in range(0, 8, 2):
                async with asking(api, "timeout=1"):
                    await cp.wait_asked(number + 1)
                async with asking(api, "timeout=20") as answers:
                    await cp.wait_asked(number + 2)
                    late, current = (id_ for id_, _, _ in cp.asked[-2:])
                    await in_one_breath(cp, [3, late, ACCEPTED], [3, current, ACCEPTED])
                assert answers[0].status_code == 200, answers[0].text
                expected += [late, current]
            told = []
            for _, flat in await store.execute("XRANGE", keys.events, "-", "+"):
                entry = dict(zip(flat[::2], flat[1::2], strict=True))
                if entry[b"kind"] == b"command.answered":
                    told.append(json.loads(entry[b"data"])["command"])
            assert told == expected


async def test_a_start_transaction_request_is_handled_only_after_earlier_answers_have_been_stored(
    central: Central, gateways: Gateways
) -> None:
    """Four late answers, the answer to RemoteStartTransaction, and StartTransaction arrive together."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp"), is_silent) as cp:
            for number in range(1, 5):
                assert (await api.post(f"{PATH}/GetConfiguration?timeout=1", json={})).status_code == 504
                await cp.wait_asked(number)
            async with asking(api) as answers:
                await cp.wait_asked(5)
                late = [[3, id_, {"configurationKey": []}] for id_, _, _ in cp.asked[:4]]
                start = ASKED | {"meterStart": 1, "timestamp": now()}
                promise = [3, cp.asked[4][0], ACCEPTED]
                await in_one_breath(cp, *late, promise, [2, "start", "StartTransaction", start])
            [response] = answers
            assert response.status_code == 200, response.text
            transaction_id = (await cp.answer_to("start"))[2]["transactionId"]
            assert response.json()["transaction_id"] == f"cp.{transaction_id}"


async def test_a_transaction_that_starts_before_the_answer_to_a_remote_start_belongs_to_the_command(
    central: Central, gateways: Gateways
) -> None:
    """A transaction that began before the command was sent does not belong to the command."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp"), is_silent) as cp:
            async with asking(api) as answers:
                await cp.wait_asked(1)
                started = await cp.start()
                await cp.send([3, cp.asked[0][0], ACCEPTED])
            [response] = answers
            assert response.status_code == 200, response.text
            assert response.json()["transaction_id"] == f"cp.{started['transactionId']}"
            async with asking(api, "wait_for=transaction&wait=2") as answers:
                await cp.wait_asked(2)
                await cp.send([3, cp.asked[1][0], ACCEPTED])
            assert answers[0].json()["transaction_id"] is None
