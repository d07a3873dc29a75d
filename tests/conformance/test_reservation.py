"""Optional feature: reservation. csms sends each request, even if the connector is not known to be free."""

from tests.conformance.charge_point import ChargePoint, now
from tests.conformance.laboratory import PARENT, SECOND, VALID, Laboratory
from tests.conformance.station import Json
from tests.support.waiting import until

ID = 4711


def reservation(connector: int = 1, **more: str) -> Json:
    return {
        "connectorId": connector,
        "expiryDate": now(minutes=30),
        "idTag": VALID,
        "reservationId": ID,
        **more,
    }


async def reserve(
    lab: Laboratory, cp: ChargePoint, status: str = "Accepted", asked: Json | None = None
) -> Json:
    done = await lab.command(cp, "ReserveNow", asked or reservation(), {"status": status})
    return done.heard.payload


async def state(lab: Laboratory) -> str | None:
    """Return the reservation as an operator sees it, or None if there is none."""
    items = (await lab.read("/reservations"))["items"]
    assert [each["reservation_id"] for each in items] in ([], [ID])
    return items[0]["state"] if items else None


async def charge_with_it(lab: Laboratory, cp: ChargePoint, connector: int) -> None:
    transaction = await cp.charge(VALID, connector=connector, reservation=ID)
    assert (await lab.transaction(transaction))["reservation_id"] == ID
    [used] = (await lab.read("/reservations"))["items"]
    assert (used["state"], used["transaction_id"]) == ("used", f"{lab.id}.{transaction}")


async def test_tc_046_a_transaction_uses_the_reservation_of_its_connector(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await reserve(lab, cp)
        await cp.status(1, "Reserved")
        await charge_with_it(lab, cp, 1)


async def test_tc_047_a_reservation_of_a_connector_expires(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        expiry = now(seconds=0.4)
        await reserve(lab, cp, asked=reservation(expiryDate=expiry))
        await cp.status(1, "Reserved")

        async def is_expired() -> bool:
            return await state(lab) == "expired"

        await until(is_expired)
        assert now() >= expiry
        await cp.status(1, "Available")


async def test_tc_048_1_a_faulted_charge_point_refuses_a_reservation(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await reserve(lab, cp, "Faulted")
        assert await state(lab) is None


async def test_tc_048_2_an_occupied_connector_refuses_a_reservation(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await cp.status(1, "Preparing")
        await reserve(lab, cp, "Occupied")
        assert await state(lab) is None


async def test_tc_048_3_an_unavailable_connector_refuses_a_reservation(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        asked = {"connectorId": 1, "type": "Inoperative"}
        await lab.command(cp, "ChangeAvailability", asked, {"status": "Accepted"})
        await cp.status(1, "Unavailable")
        await reserve(lab, cp, "Unavailable")
        assert await state(lab) is None


async def test_tc_048_4_a_charge_point_rejects_a_reservation(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await reserve(lab, cp, "Rejected")
        assert await state(lab) is None


async def test_tc_049_a_transaction_uses_a_reservation_of_the_whole_charge_point(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        asked = reservation(0)
        heard = await reserve(lab, cp, asked=asked)
        assert heard["connectorId"] == 0
        await cp.status(0, "Reserved")
        await charge_with_it(lab, cp, 2)


async def test_tc_051_the_operator_cancels_a_reservation(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await reserve(lab, cp)
        await cp.status(1, "Reserved")
        await lab.command(cp, "CancelReservation", {"reservationId": ID}, {"status": "Accepted"})
        await cp.status(1, "Available")
        assert await state(lab) == "cancelled"


async def test_tc_052_the_charge_point_rejects_the_cancellation_of_a_reservation(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await reserve(lab, cp)
        for asked in (ID + 1, ID):
            await lab.command(cp, "CancelReservation", {"reservationId": asked}, {"status": "Rejected"})
        assert await state(lab) == "active"


async def test_tc_053_an_id_tag_with_the_parent_id_tag_of_a_reservation_can_use_the_reservation(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        heard = await reserve(lab, cp, asked=reservation(parentIdTag=PARENT))
        assert heard["parentIdTag"] == PARENT
        await cp.status(1, "Reserved")
        info = await cp.authorize(SECOND)
        assert info["parentIdTag"] == PARENT
        await cp.status(1, "Preparing")
        started = await cp.start(SECOND, reservation=ID)
        assert started["idTagInfo"]["parentIdTag"] == PARENT
        await cp.status(1, "Charging")
        assert await state(lab) == "used"
        stopped = await cp.stop(started["transactionId"], "Local", tag=VALID)
        assert stopped["idTagInfo"]["parentIdTag"] == PARENT
        await cp.status(1, "Finishing")
