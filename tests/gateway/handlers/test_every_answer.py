"""Each answer to a charge point fits the official schemas, and its times are in UTC with a Z.

These tests cover gateway/handlers and gateway/ocpp16/protocol.py.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.handlers import HANDLERS
from gateway.handlers.charge_point import ChargePoint, SessionMemory
from gateway.ocpp16.actions import ACTIONS, Sender, actions_of
from gateway.ocpp16.errors import CODES
from gateway.ocpp16.protocol import Protocol, Role
from gateway.ocpp16.received import IncomingCall, Reply
from state import charge_points
from state.charge_points import Settings
from state.features import data_transfer
from state.features.data_transfer import Vendor
from state.store import Store
from state.tenants import id_tags
from state.tenants.id_tags import IdTag
from tests.support.certificates import request
from tests.support.leases import KEYS, claimed
from tests.support.official_schemas import faults, read
from tests.support.schema_payloads import broken, generate, schema, to_json

SPOKEN = tuple(actions_of(Sender.CHARGE_POINT))
MESSAGES = 12
TAGS = (
    IdTag(tag="GOOD", expiry_date="2100-01-01T00:00:00Z", parent_id_tag="FLEET"),
    IdTag(tag="OLD", expiry_date="2001-01-01T00:00:00.000Z"),
    IdTag(tag="BLOCKED", status="Blocked"),
    IdTag(tag="EXPIRED", status="Expired"),
    IdTag(tag="BUSY", max_active_transactions=1),
)
VENDORS = (
    Vendor(vendor_id="Acme", data="\N{EURO SIGN} and \N{GRINNING FACE}"),
    Vendor(vendor_id="Bolt", status="Rejected"),
    Vendor(vendor_id="Choosy", message_ids=("ping",), data="pong"),
)


async def a_charge_point(store: Store, registration: charge_points.BootStatus) -> ChargePoint:
    """Return a charge point of a tenant that has id tags of every status and vendors of every answer."""
    await charge_points.put(store, KEYS.tenant, KEYS.id, Settings(registration=registration))
    for tag in TAGS:
        await id_tags.put(store, KEYS.tenant, tag)
    for vendor in VENDORS:
        await data_transfer.put_vendor(store, KEYS.tenant, vendor)
    return ChargePoint(store, (await claimed(store, "a/1")).lease, SessionMemory(300, None))


def payloads(action: str, rng: random.Random) -> Iterator[Any]:
    """Yield random payloads, some with all fields. Half of the payloads use names that the tenant knows."""
    node = schema(action)
    for number in range(MESSAGES):
        payload = generate(node, rng, full=number % 4 == 0)
        if number % 2:
            if "idTag" in payload:
                payload["idTag"] = rng.choice(TAGS).tag
            if "vendorId" in payload:
                payload["vendorId"] = rng.choice(VENDORS).vendor_id
            if "csr" in payload:
                payload["csr"] = request()
        yield payload


async def answer(protocol: Protocol, charge_point: ChargePoint, frame: bytes) -> list[Any]:
    received = protocol.receive(frame)
    if isinstance(received, Reply):
        return list(read(received.frame))
    assert isinstance(received, IncomingCall)
    charge_point.payload = received.payload
    result = await HANDLERS[received.action](received.request, charge_point)
    return list(read(protocol.answer(received, result)))


@pytest.mark.parametrize("action", SPOKEN)
async def test_every_answer_to_a_charge_point_fits_the_official_schema(store: Store, action: str) -> None:
    rng, protocol = random.Random(action), Protocol(Role.CENTRAL_SYSTEM)
    charge_point = await a_charge_point(store, rng.choice(["Accepted", "Pending", "Rejected"]))
    for number, payload in enumerate(payloads(action, rng)):
        frame = to_json([2, f"m{number}", action, payload])
        kind, id_, result = await answer(protocol, charge_point, frame)
        assert (kind, id_) == (3, f"m{number}")
        assert faults(f"{action}Response", result) == []


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
@pytest.mark.parametrize("action", SPOKEN)
async def test_the_answer_to_a_broken_message_is_always_valid_ocpp(
    store: Store, action: str, *, strict: bool
) -> None:
    rng, protocol = random.Random(action), Protocol(Role.CENTRAL_SYSTEM, strict=strict)
    charge_point = await a_charge_point(store, "Accepted")
    node = schema(action)
    for number in range(MESSAGES * 2):
        case = broken(node, json.loads(to_json(generate(node, rng))), rng)
        if case is None:
            continue
        kind, id_, *rest = await answer(protocol, charge_point, to_json([2, f"m{number}", action, case[1]]))
        assert id_ == f"m{number}"
        if kind == 3:
            assert not strict
            assert faults(f"{action}Response", rest[0]) == []
        else:
            code, description, details = rest
            assert (kind, details) == (4, {})
            assert code in CODES
            assert 0 < len(description) <= 255


async def test_the_answer_to_a_boot_notification_has_an_interval_for_every_registration_status(
    store: Store,
) -> None:
    protocol, seen = Protocol(Role.CENTRAL_SYSTEM), set()
    boot = {"chargePointVendor": "Acme", "chargePointModel": "Bolt"}
    charge_point = await a_charge_point(store, "Accepted")
    for status in ("Accepted", "Pending", "Rejected"):
        await charge_points.put(store, KEYS.tenant, KEYS.id, Settings(registration=status))
        frame = to_json([2, status, "BootNotification", boot])
        _, _, result = await answer(protocol, charge_point, frame)
        assert faults("BootNotificationResponse", result) == []
        assert result["interval"] > 0
        seen.add(result["status"])
    assert seen == {"Accepted", "Pending", "Rejected"}


async def test_each_kind_of_id_tag_is_answered_with_the_right_status(store: Store) -> None:
    protocol, charge_point = Protocol(Role.CENTRAL_SYSTEM), await a_charge_point(store, "Accepted")
    statuses = {}
    for tag in (*TAGS, IdTag(tag="NOBODY")):
        frame = to_json([2, tag.tag, "Authorize", {"idTag": tag.tag}])
        _, _, result = await answer(protocol, charge_point, frame)
        assert faults("AuthorizeResponse", result) == []
        statuses[tag.tag] = result["idTagInfo"]["status"]
    assert statuses == {
        "GOOD": "Accepted",
        "OLD": "Expired",
        "BLOCKED": "Blocked",
        "EXPIRED": "Expired",
        "BUSY": "Accepted",
        "NOBODY": "Invalid",
    }


def test_this_module_tests_every_action_that_a_charge_point_may_send() -> None:
    assert set(SPOKEN) == set(HANDLERS) < set(ACTIONS)
