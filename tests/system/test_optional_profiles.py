"""Reservations and local lists through the API, with a charge point on a real websocket."""

from typing import Any

import trio

from tests.support.charge_point_peer import charge_point, now
from tests.support.waiting import until
from tests.system.central import Central, Process

type Gateways = tuple[Process, Process]


async def test_a_transaction_uses_the_reservation_that_its_start_transaction_request_names(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    wanted = {"connector_id": 1, "id_tag": "TAG", "expiry_date": "2100-01-01T00:00:00Z"}
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp")) as cp:
            assert (await api.put("/id-tags/TAG", json={})).status_code == 201
            made = await api.post("/charge-points/cp/reservations", json=wanted)
            assert made.status_code == 200, made.text
            number = made.json()["reservation"]["reservation_id"]
            assert cp.asked[0][1:] == (
                "ReserveNow",
                {
                    "connectorId": 1,
                    "expiryDate": "2100-01-01T00:00:00Z",
                    "idTag": "TAG",
                    "reservationId": number,
                },
            )
            start = {
                "connectorId": 1,
                "idTag": "TAG",
                "meterStart": 0,
                "timestamp": now(),
                "reservationId": number,
            }
            started = await cp.call("StartTransaction", start)
            assert started["idTagInfo"]["status"] == "Accepted"
            used = (await api.get(f"/charge-points/cp/reservations/{number}")).json()
            assert used["state"] == "used"
            assert used["transaction_id"] == f"cp.{started['transactionId']}"
            # A new reservation has the same id. Then the charge point repeats the first StartTransaction, as
            # after a reconnect.
            again = await api.post("/charge-points/cp/reservations", json=wanted | {"reservation_id": number})
            assert again.json()["reservation"]["state"] == "active"
            assert await cp.call("StartTransaction", start) == started
            stands = (await api.get(f"/charge-points/cp/reservations/{number}")).json()
            assert stands["state"] == "active"
            gone = await api.delete(f"/charge-points/cp/reservations/{number}")
            assert gone.json()["reservation"]["state"] == "cancelled"
            assert cp.asked[-1][1:] == ("CancelReservation", {"reservationId": number})


async def test_a_reservation_is_used_even_if_its_transaction_starts_right_after_the_reserve_now_answer(
    central: Central, gateways: Gateways
) -> None:
    """StartTransaction may be handled before the answer to ReserveNow is stored."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            charge_point(tenant.url(gateways[0], "cp"), lambda *_: None) as cp,
        ):
            body = {"connectorId": 1, "idTag": "TAG", "expiryDate": "2100-01-01T00:00:00Z"}
            for number in range(1, 11):
                sent = await api.post(
                    "/charge-points/cp/commands/ReserveNow?wait=0", json=body | {"reservationId": number}
                )
                command = sent.json()["id"]
                await cp.wait_asked(number)
                await cp.send([3, command, {"status": "Accepted"}])
                start = {"connectorId": 1, "idTag": "TAG", "meterStart": number, "timestamp": now()}
                started = await cp.call("StartTransaction", start | {"reservationId": number})

                async def answered(id_: str = command) -> bool:
                    return bool((await api.get(f"/commands/{id_}")).json()["status"] == "answered")

                await until(answered)
                found = (await api.get(f"/charge-points/cp/reservations/{number}")).json()
                assert found["state"] == "used"
                assert found["transaction_id"] == f"cp.{started['transactionId']}"
                assert found["command"] == command


async def test_a_local_list_is_sent_first_in_full_and_then_as_a_difference_and_then_in_full_again(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    answers: list[str] = []

    def serve(action: str, _payload: Any) -> Any:
        return {"listVersion": 9} if action == "GetLocalListVersion" else {"status": answers.pop(0)}

    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp"), serve) as cp:
            path = "/charge-points/cp/local-list"
            await api.put(path, json={"entries": [{"id_tag": "AA"}, {"id_tag": "BB"}]})
            answers[:] = ["Accepted"]
            full = await api.post(f"{path}/send", json={"type": "full"})
            assert full.status_code == 200, full.text
            assert full.json()["outcome"] == "accepted"

            await api.patch(path, json={"put": [{"id_tag": "CC"}], "remove": ["aa"]})
            answers[:] = ["Accepted"]
            assert (await api.post(f"{path}/send", json={})).json()["outcome"] == "accepted"
            found = (await api.get(f"{path}/accepted")).json()
            assert (found["list_version"], found["as_desired"], found["stale"]) == (2, True, False)
            assert [item["id_tag"] for item in found["items"]] == ["BB", "CC"]

            await api.patch(path, json={"put": [{"id_tag": "DD"}]})
            answers[:] = ["VersionMismatch", "Accepted"]
            mended = (await api.post(f"{path}/send", json={"full_on_failure": True})).json()
            assert mended["outcome"] == "accepted"
            info = {"idTagInfo": {"status": "Accepted"}}
            heard = [
                (payload["updateType"], payload["listVersion"], payload["localAuthorizationList"])
                for _, _, payload in cp.asked
            ]
            assert heard == [
                ("Full", 1, [{"idTag": "AA", **info}, {"idTag": "BB", **info}]),
                ("Differential", 2, [{"idTag": "AA"}, {"idTag": "CC", **info}]),
                ("Differential", 3, [{"idTag": "DD", **info}]),
                ("Full", 4, [{"idTag": tag, **info} for tag in ("BB", "CC", "DD")]),
            ]
            assert [step["command"]["id"] for step in mended["steps"]] == [id_ for id_, _, _ in cp.asked[2:]]

            await api.post("/charge-points/cp/commands/GetLocalListVersion", json={})
            found = (await api.get(f"{path}/accepted")).json()
            assert (found["list_version"], found["as_desired"], found["stale"]) == (4, False, True)
            assert found["reported"]["list_version"] == 9
