"""Repeated messages about transactions are stored once and get the same answer. No message is lost."""

from typing import Any

import httpx
import trio

from state.scripts import SCRIPTS
from state.store import StoreConfig, open_store
from state.transactions import orphans
from tests.support.charge_point_peer import charge_point, now
from tests.support.fault_proxy import fault_proxy
from tests.support.waiting import until
from tests.system.central import Central, Process, Tenant

STUCK = "1970-01-01T00:00:07Z"


async def tag(api: httpx.AsyncClient, name: str, **settings: Any) -> None:
    assert (await api.put(f"/id-tags/{name}", json=settings)).status_code == 201


async def transactions(tenant: Tenant, charge_point: str) -> list[dict[str, Any]]:
    async with tenant.api() as api:
        found = await api.get("/transactions", params={"charge_point": charge_point})
        return list(found.json()["items"])


async def test_a_start_transaction_request_repeated_on_another_connection_creates_no_second_transaction(
    central: Central, gateways: tuple[Process, Process]
) -> None:
    tenant, at = central.tenant(), now()
    async with tenant.api() as api:
        await tag(api, "TAG", parent_id_tag="FLEET")
        async with charge_point(tenant.url(gateways[0], "cp")) as cp:
            first = await cp.start(timestamp=at, id_="a")
        await tag_changed(api)
        async with charge_point(tenant.url(gateways[1], "cp")) as cp:
            second = await cp.start(timestamp=at, id_="b")
            third = await cp.start(timestamp=at, id_="c")
    assert first["idTagInfo"] == {"status": "Accepted", "parentIdTag": "FLEET"}
    assert first == second == third
    assert [found["ocpp_transaction_id"] for found in await transactions(tenant, "cp")] == [
        first["transactionId"]
    ]


async def tag_changed(api: httpx.AsyncClient) -> None:
    """A repeated message gets the stored answer, even if the id tag has changed since the first message."""
    assert (await api.put("/id-tags/TAG", json={"status": "Blocked"})).status_code == 200


async def test_a_stop_transaction_request_that_is_repeated_on_another_connection_is_stored_once(
    central: Central, gateways: tuple[Process, Process]
) -> None:
    tenant, at = central.tenant(), now()
    async with tenant.api() as api:
        await tag(api, "TAG")
        async with charge_point(tenant.url(gateways[0], "cp")) as cp:
            number = (await cp.start())["transactionId"]
            first = await cp.stop(number, timestamp=at, tag="TAG", id_="s")
        await tag_changed(api)
        async with charge_point(tenant.url(gateways[1], "cp")) as cp:
            assert await cp.stop(number, timestamp=at, tag="TAG", id_="t") == first
    assert first == {"idTagInfo": {"status": "Accepted"}}
    [found] = await transactions(tenant, "cp")
    assert (found["ocpp_transaction_id"], found["meter_stop"]) == (number, 900)


async def test_a_transaction_message_is_stored_only_once_even_if_the_gateway_dies_before_it_answers(
    central: Central,
) -> None:
    """The proxy swallows the store's replies, so only the store knows that the write has happened."""
    tenant, start_at, stop_at = central.tenant(), now(), now()
    with trio.fail_after(120):
        async with fault_proxy(central.valkey.path) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            async with central.gateway(store_url=url, store__timeout_s=30) as gateway:
                async with charge_point(tenant.url(gateway, "cp")) as cp:
                    proxy.swallow_from = SCRIPTS["transactions/start"].sha.encode()
                    await cp.send([2, "a", "StartTransaction", start_payload(start_at)])
                    await until_transactions(tenant, stopped=False)
                    gateway.kill()
                    await cp.wait_closed()
                    assert cp.answers == {}
                proxy.replies.swallow = False
            async with central.gateway(store_url=url, store__timeout_s=30) as gateway:
                async with charge_point(tenant.url(gateway, "cp")) as cp:
                    again = await cp.call("StartTransaction", start_payload(start_at), id_="z")
                    [found] = await transactions(tenant, "cp")
                    assert again["transactionId"] == found["ocpp_transaction_id"]
                    proxy.swallow_from = SCRIPTS["transactions/stop"].sha.encode()
                    stop = {"transactionId": again["transactionId"], "meterStop": 5, "timestamp": stop_at}
                    await cp.send([2, "b", "StopTransaction", stop])
                    await until_transactions(tenant, stopped=True)
                    gateway.kill()
                    await cp.wait_closed()
                    assert cp.answers == {}
                proxy.replies.swallow = False
            async with (
                central.gateway(store_url=url) as gateway,
                charge_point(tenant.url(gateway, "cp")) as cp,
            ):
                assert await cp.call("StopTransaction", stop) == {}
                assert await cp.call("StartTransaction", start_payload(start_at), id_="y") == again
    [found] = await transactions(tenant, "cp")
    assert found["meter_stop"] == 5


def start_payload(at: str) -> dict[str, Any]:
    return {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": at}


async def until_transactions(tenant: Tenant, *, stopped: bool) -> None:
    async def there() -> bool:
        found = await transactions(tenant, "cp")
        return bool(found) and (found[0]["stopped_at"] is not None) is stopped

    await until(there)


async def test_each_transaction_of_a_charge_point_whose_clock_stands_still_in_1970_is_stored_separately(
    central: Central, gateways: tuple[Process, Process]
) -> None:
    tenant = central.tenant()
    async with charge_point(tenant.url(gateways[0], "cp")) as cp:
        numbers = []
        for _ in range(3):
            started = await cp.start(timestamp=STUCK)
            assert await cp.start(timestamp=STUCK) == started  # Until the stop, the same start is a repeat.
            await cp.stop(started["transactionId"], timestamp=STUCK)
            numbers.append(started["transactionId"])
    assert len(set(numbers)) == 3
    found = await transactions(tenant, "cp")
    assert sorted(one["ocpp_transaction_id"] for one in found) == sorted(numbers)


async def test_a_message_is_a_repeat_only_if_its_content_and_its_message_id_are_those_of_the_last_call(
    central: Central, gateways: tuple[Process, Process]
) -> None:
    tenant, at = central.tenant(), now()
    async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp")) as cp:
        first = await cp.call("Authorize", {"idTag": "LATER"}, id_="1")
        assert first == {"idTagInfo": {"status": "Invalid"}}
        await tag(api, "LATER")
        # Only DataTransfer and SignCertificate get their last answer again.
        assert (await cp.call("Authorize", {"idTag": "LATER"}, id_="1"))["idTagInfo"]["status"] == "Accepted"
        assert (await api.put("/data-transfer-vendors/x", json={})).status_code == 201
        vendors = [{"vendorId": "x", "data": text} for text in ("a", "a", "b", "a")]
        for payload, id_ in zip(vendors, ("1", "1", "1", "2"), strict=True):
            await cp.call("DataTransfer", payload, id_=id_)
        assert len((await api.get("/charge-points/cp/data-transfers")).json()["items"]) == 3
        one = await cp.start(timestamp=at, meter=1, id_="3")
        other = await cp.start(timestamp=at, meter=2, id_="3")
        assert one["transactionId"] != other["transactionId"]
        for action, payload in (
            ("Heartbeat", {}),
            ("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"}),
        ):
            before = await cp.call(action, payload, id_="4")
            await trio.sleep(0.002)  # The answer's time has milliseconds.
            assert (await cp.call(action, payload, id_="4"))["currentTime"] > before["currentTime"]


async def test_a_call_that_was_refused_is_tried_again_when_it_is_repeated(central: Central) -> None:
    """A StartTransaction that could not be stored is repeated with the same message id and then accepted."""
    tenant, at = central.tenant(), now()
    with trio.fail_after(120):
        async with (
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}", store__timeout_s=0.5) as gateway,
            charge_point(tenant.url(gateway, "cp")) as cp,
        ):
            assert (await cp.call("Heartbeat", {}))["currentTime"]
            proxy.refuse = True
            proxy.cut()
            refused = await cp.exchange("StartTransaction", start_payload(at), id_="same")
            assert refused[:3] == [4, "same", "InternalError"]
            proxy.refuse = False
            answer = await cp.exchange("StartTransaction", start_payload(at), id_="same")
            while answer[0] == 4:  # Repeat the start until the gateway is connected to the store again.
                answer = await cp.exchange("StartTransaction", start_payload(at), id_="same")
            assert answer[2]["transactionId"] > 0
    assert len(await transactions(tenant, "cp")) == 1


async def test_stop_transaction_requests_for_unknown_transactions_are_all_kept(
    central: Central, gateways: tuple[Process, Process]
) -> None:
    """Many charge points send StopTransaction with the id -1 if their StartTransaction was never answered.

    Each StopTransaction with the id -1 is kept.
    """
    tenant = central.tenant()
    async with charge_point(tenant.url(gateways[0], "cp")) as cp:
        for meter in (111, 222, 222):
            assert await cp.stop(-1, timestamp="2026-01-01T00:00:00Z", meter=meter) == {}
    async with open_store(StoreConfig(url=central.valkey.url)) as store:
        kept = await orphans.read(store, tenant.id, "cp")
    assert [(one.transaction_id, one.meter_stop) for one in kept.items] == [("-1", 111), ("-1", 222)]
    assert await transactions(tenant, "cp") == []


async def test_each_id_tag_gets_the_answer_for_its_status(
    central: Central, gateways: tuple[Process, Process]
) -> None:
    tenant = central.tenant()
    async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp")) as cp:
        await tag(api, "OLD", expiry_date="2020-01-01T00:00:00Z")
        await tag(api, "BAD", status="Blocked")
        await tag(api, "KIN", parent_id_tag="PARENT")
        wanted = {"NOBODY": "Invalid", "OLD": "Expired", "BAD": "Blocked", "kin": "Accepted"}
        for connector, (name, status) in enumerate(wanted.items(), 1):
            asked = (await cp.call("Authorize", {"idTag": name}))["idTagInfo"]
            started = await cp.start(tag=name, connector=connector)
            assert asked["status"] == started["idTagInfo"]["status"] == status
            assert started["transactionId"] > 0
            assert asked.get("parentIdTag") == ("PARENT" if name == "kin" else None)
            stopped = await cp.stop(started["transactionId"], tag=name)
            assert stopped["idTagInfo"] == asked
    assert len(await transactions(tenant, "cp")) == 4


async def test_an_id_tag_that_is_limited_to_one_transaction_gets_one_transaction_at_a_time(
    central: Central, gateways: tuple[Process, Process]
) -> None:
    tenant, at = central.tenant(), now()
    async with (
        tenant.api() as api,
        charge_point(tenant.url(gateways[0], "one")) as one,
        charge_point(tenant.url(gateways[1], "two")) as two,
    ):
        await tag(api, "ONCE", max_active_transactions=1)
        first = await one.start(tag="once", timestamp=at)
        assert first["idTagInfo"]["status"] == "Accepted"
        refused = await two.start(tag="ONCE")
        assert refused["idTagInfo"]["status"] == "ConcurrentTx"
        assert refused["transactionId"] > 0
        assert (await two.call("Authorize", {"idTag": "ONCE"}))["idTagInfo"]["status"] == "Accepted"
        # A repeated StartTransaction takes no second hold on the id tag.
        assert await one.start(tag="once", timestamp=at) == first
        offline = await two.start(tag="ONCE", timestamp="2026-01-01T00:00:00Z", connector=2)
        assert offline["idTagInfo"]["status"] == "Accepted"
        stopped = await two.stop(refused["transactionId"], tag="ONCE")
        assert stopped["idTagInfo"]["status"] == "Accepted"
        for cp, number in ((two, offline), (one, first)):
            assert (await two.start(tag="ONCE", connector=3))["idTagInfo"]["status"] == "ConcurrentTx"
            await cp.stop(number["transactionId"])
        assert (await two.start(tag="ONCE", connector=4))["idTagInfo"]["status"] == "Accepted"


async def test_an_id_tag_limited_to_one_transaction_is_accepted_when_its_start_is_repeated_after_a_lost_reply(
    central: Central, gateways: tuple[Process, Process]
) -> None:
    """The start was stored, but the store's reply was lost.

    After the repeated start, the driver may charge.
    """
    tenant, at = central.tenant(), now()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}", store__timeout_s=0.5) as gateway,
            charge_point(tenant.url(gateway, "one")) as one,
            charge_point(tenant.url(gateways[0], "two")) as two,
        ):
            await tag(api, "TAG", max_active_transactions=1)
            proxy.swallow_from = SCRIPTS["transactions/start"].sha.encode()
            refused = await one.exchange("StartTransaction", start_payload(at))
            assert refused[2] == "InternalError"
            assert (await two.start(tag="TAG"))["idTagInfo"]["status"] == "ConcurrentTx"
            proxy.replies.swallow = False
            again = await one.exchange("StartTransaction", start_payload(at))
            while again[0] == 4:  # Repeat the start until the gateway is connected to the store again.
                again = await one.exchange("StartTransaction", start_payload(at))
            assert again[2]["idTagInfo"]["status"] == "Accepted"
            assert (await two.start(tag="TAG", connector=2))["idTagInfo"]["status"] == "ConcurrentTx"
            await one.stop(again[2]["transactionId"])
            assert (await two.start(tag="TAG", connector=3))["idTagInfo"]["status"] == "Accepted"


async def test_a_start_transaction_request_on_two_connections_at_the_same_time_creates_one_transaction(
    central: Central, gateways: tuple[Process, Process]
) -> None:
    """The call of the evicted session is under way while the new session repeats the call."""
    tenant = central.tenant()
    for number in range(10):
        at, id_ = now(), f"cp-{number}"
        async with (
            charge_point(tenant.url(gateways[0], id_)) as old,
            charge_point(tenant.url(gateways[1], id_)) as new,
        ):
            await old.send([2, "a", "StartTransaction", start_payload(at)])
            answer = await new.call("StartTransaction", start_payload(at))
            [found] = await transactions(tenant, id_)
            assert answer["transactionId"] == found["ocpp_transaction_id"]
            await old.wait_closed()


async def test_a_driver_with_one_slot_is_never_refused_at_the_connector_whose_stop_was_lost(
    central: Central, gateways: tuple[Process, Process]
) -> None:
    tenant = central.tenant()
    async with (
        tenant.api() as api,
        charge_point(tenant.url(gateways[0], "one")) as one,
        charge_point(tenant.url(gateways[1], "two")) as two,
    ):
        await tag(api, "ONCE", max_active_transactions=1)
        for meter in (100, 200, 300):
            assert (await one.start(tag="ONCE", meter=meter))["idTagInfo"]["status"] == "Accepted"
        assert (await two.start(tag="ONCE"))["idTagInfo"]["status"] == "ConcurrentTx"
        # The connector becomes Available, so the driver has left it, although no stop has come.
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": now()}
        await one.call("StatusNotification", status)
        assert (await two.start(tag="ONCE", connector=2))["idTagInfo"]["status"] == "Accepted"
