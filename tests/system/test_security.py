"""Security events, certificate requests and DataTransfer, over real sockets, some of them hostile."""

import json
from typing import Any

import trio

from tests.support.certificates import certificate, request
from tests.support.charge_point_peer import charge_point
from tests.support.fault_proxy import fault_proxy
from tests.support.pace import Pace
from tests.support.waiting import until
from tests.system.central import Central, Process

type Gateways = tuple[Process, Process]

EVENT = {"type": "FirmwareUpdated", "timestamp": "2026-01-01T00:00:00.123+01:00", "techInfo": "1.2 -> 1.3"}


async def test_a_security_event_of_any_type_is_stored_exactly_once(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    sent: list[dict[str, Any]] = [
        EVENT,
        {"type": "Something of our own", "timestamp": "2026-01-01T00:00:00Z"},
        {"type": "TamperDetectionActivated", "timestamp": "1970-01-01T00:00:00Z", "techInfo": "ü\n\u2028"},
    ]
    with trio.fail_after(120):
        async with tenant.api() as api:
            for gateway in gateways:  # The charge point repeats unacknowledged events after a reconnect.
                async with charge_point(tenant.url(gateway, "cp")) as cp:
                    for payload in sent:
                        assert await cp.call("SecurityEventNotification", payload) == {}
            found = (await api.get("/charge-points/cp/security-events")).json()
            assert [
                {"type": one["type"], "timestamp": one["timestamp"], "techInfo": one["tech_info"]}
                for one in found["items"]
            ] == [
                {"techInfo": None} | payload | {"timestamp": written}
                for payload, written in zip(
                    sent[::-1],
                    ("1970-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z", "2025-12-31T23:00:00.123Z"),
                    strict=True,
                )
            ]
            assert [one["critical"] for one in found["items"]] == [True, False, True]


async def test_a_security_event_is_acknowledged_only_when_it_is_stored(central: Central) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with fault_proxy(central.valkey.path) as proxy:
            settings = {"store__timeout_s": 0.5}
            async with (
                central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}/0", **settings) as gateway,
                tenant.api() as api,
                charge_point(tenant.url(gateway, "cp")) as cp,
            ):
                proxy.refuse = True
                proxy.cut()
                refused = await cp.exchange("SecurityEventNotification", EVENT)
                assert (refused[0], refused[2]) == (4, "InternalError")
                proxy.refuse = False

                async def taken() -> bool:
                    return bool((await cp.exchange("SecurityEventNotification", EVENT))[0] == 3)

                await until(taken, every_s=0.2)
                found = (await api.get("/charge-points/cp/security-events")).json()["items"]
                assert len(found) == 1


async def test_a_certificate_signing_request_is_answered_at_once_and_is_stored(
    central: Central, gateways: Gateways
) -> None:
    tenant, csr = central.tenant(), request(common_name="cp")
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp")) as cp:
            for payload, status in (
                ({"csr": "nonsense"}, "Rejected"),
                ({"csr": certificate().pem}, "Rejected"),
                ({"csr": request(common_name="another")}, "Rejected"),
                ({"csr": csr}, "Accepted"),
                ({"csr": csr.replace("\n", "\r\n")}, "Accepted"),
                ({"csr": "-----BEGIN CERTIFICATE REQUEST-----\n" * 150}, "Rejected"),
            ):
                assert await cp.call("SignCertificate", payload) == {"status": status}
            assert cp.asked == []  # The charge point gets a certificate only when an operator sends it.
            shown = (await api.get("/charge-points/cp/certificate-request")).json()
            assert (shown["csr"], shown["subject"]) == (csr.replace("\n", "\r\n"), "CN=cp")
            chain = {"certificateChain": certificate("cp").pem}
            signed = await api.post("/charge-points/cp/commands/CertificateSigned", json=chain)
            assert signed.json()["response"] == {"status": "Accepted"}
            assert cp.asked[0][1:] == ("CertificateSigned", chain)


async def test_a_flood_of_certificate_signing_requests_delays_no_other_charge_point(
    central: Central, gateways: Gateways, pace: Pace
) -> None:
    tenant, csr = central.tenant(), request()
    with trio.fail_after(120):
        async with (
            charge_point(tenant.url(gateways[0], "hostile")) as hostile,
            charge_point(tenant.url(gateways[0], "honest")) as honest,
            trio.open_nursery() as nursery,
        ):

            async def flood() -> None:
                for _ in range(200):
                    await hostile.call("SignCertificate", {"csr": csr})

            nursery.start_soon(flood)
            for _ in range(50):
                with pace.within(2):
                    await honest.call("Heartbeat", {})


async def test_a_data_transfer_is_stored_and_is_answered_according_to_the_settings_for_its_vendor(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    transfer = {"vendorId": "Org.Example", "messageId": "Ping", "data": json.dumps({"säß": ["\u2028", 1]})}
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp")) as cp:
            assert await cp.call("DataTransfer", transfer) == {"status": "UnknownVendorId"}
            for settings, answer in (
                ({}, {"status": "Accepted"}),
                ({"data": "pong"}, {"status": "Accepted", "data": "pong"}),
                ({"status": "Rejected", "data": "no"}, {"status": "Rejected", "data": "no"}),
                ({"message_ids": ["ping"], "data": ""}, {"status": "Accepted", "data": ""}),
                ({"message_ids": ["pong"], "data": "x"}, {"status": "UnknownMessageId"}),
            ):
                put = await api.put("/data-transfer-vendors/org.example", json=settings)
                assert put.status_code in {200, 201}, put.text
                assert await cp.call("DataTransfer", transfer) == answer
            without = {"vendorId": "org.EXAMPLE"}
            assert await cp.call("DataTransfer", without) == {"status": "UnknownMessageId"}
            assert (await api.delete("/data-transfer-vendors/org.example")).status_code == 204
            assert await cp.call("DataTransfer", transfer) == {"status": "UnknownVendorId"}
            kept = (await api.get("/charge-points/cp/data-transfers")).json()["items"]
            assert [one["status"] for one in kept[::-1]] == [
                *["Accepted", "Accepted", "Rejected", "Accepted"],
                *["UnknownMessageId", "UnknownMessageId"],
            ]
            assert kept[-1]["data"] == transfer["data"]
            assert (kept[0]["vendor_id"], kept[0]["message_id"], kept[0]["data"]) == (
                "org.EXAMPLE",
                None,
                None,
            )
