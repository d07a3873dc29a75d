"""A report that arrives after the deletion of its charge point does not create any of the deleted keys again.

These tests cover state/charge_points, state/features and state/transactions.
"""

from collections.abc import Awaitable, Callable

import pytest

from state import charge_points, commands
from state.charge_points import Settings
from state.features import (
    certificates,
    charging_profiles,
    data_transfer,
    job_record,
    jobs,
    local_lists,
    reservations,
    security_events,
    signing_requests,
)
from state.features.local_list_entries import Entry
from state.store import Store
from state.transactions import remote_starts
from tests.support.commands import open_inbox
from tests.support.leases import KEYS, claimed

NAME = ("acme", "CP-1")
JOB = job_record.begin("00.job", "GetLog", "Accepted", 1, request_id=1, payload=b"{}", file_name=None)
HASH = certificates.CertificateHash(
    hash_algorithm="SHA256", issuer_name_hash="a", issuer_key_hash="b", serial_number="c"
)
INSTALLED = certificates.InstalledCertificate(
    command="00.install", certificate_type="CentralSystemRootCertificate", installed_ms=1
)
ASKED = reservations.Asked(connector_id=1, id_tag="T", expiry_date="2100-01-01T00:00:00Z")
EVENT = security_events.SecurityEvent(type="x", timestamp="t", tech_info=None, received_ms=1)
TRANSFER = data_transfer.Transfer(vendor_id="v", message_id=None, data=None, status="Accepted", received_ms=1)

REPORTS: dict[str, Callable[[Store, str], Awaitable[object]]] = {
    "reserved": lambda store, id_: reservations.record_made(
        store, KEYS, id_, 7, ASKED, expires_ms=4_102_444_800_000
    ),
    "cancelled": lambda store, id_: reservations.record_cancelled(store, KEYS, id_, 7),
    "list accepted": lambda store, id_: local_lists.record_accepted(
        store, KEYS, id_, update_type="Full", list_version=1, lines=[("T", Entry("T"))]
    ),
    "list refused": lambda store, id_: local_lists.record_refused(
        store, KEYS, id_, status="Failed", update_type="Full", list_version=1
    ),
    "list version": lambda store, _: local_lists.record_reported(store, KEYS, 3),
    "job": lambda store, _: jobs.record_answer(store, KEYS, JOB),
    "status": lambda store, _: jobs.record_status(
        store, KEYS, "FirmwareStatusNotification", "Installed", request_id=None, received_ms=1
    ),
    "certificates": lambda store, _: certificates.record_list(
        store, KEYS, "CentralSystemRootCertificate", [HASH], 1
    ),
    "installed": lambda store, _: certificates.record_installed(store, KEYS, INSTALLED),
    "wanted": lambda store, _: signing_requests.record(
        store, KEYS, signing_requests.SigningRequest(csr="x", subject="CN=x", key="EC", received_ms=1)
    ),
    "security event": lambda store, _: security_events.keep(store, KEYS, EVENT),
    "transfer": lambda store, _: data_transfer.keep(store, KEYS, TRANSFER),
    "profile": lambda store, id_: charging_profiles.install(
        store, KEYS, 5, charging_profiles.Slot(1, "TxDefaultProfile", 0), b"{}", command_id=id_
    ),
    "promise": lambda store, id_: charging_profiles.promise(
        store, KEYS, id_, profile_id=5, stack_level=0, payload=b"{}"
    ),
    "remote start": lambda store, id_: remote_starts.expect(store, KEYS, id_, id_tag="T", connector_id=None),
}


async def list_keys(store: Store) -> list[str]:
    """List the keys of the charge point except the lease, whose epoch must stay to refuse old sessions."""
    found = await store.execute("KEYS", f"*{KEYS.member}*")
    return sorted(key.decode() for key in found if key.decode() != KEYS.lease)


@pytest.mark.parametrize("what", REPORTS)
async def test_a_late_report_from_a_deleted_charge_point_is_not_stored(store: Store, what: str) -> None:
    await claimed(store, "a/1")
    sent = await commands.submit(store, *NAME, action="Reset", payload=b"{}", ttl_ms=9_000, reply_to="")
    assert isinstance(sent, commands.Submitted)
    assert await charge_points.delete(store, *NAME)
    events = await store.execute("XLEN", KEYS.events)
    await REPORTS[what](store, sent.command.id)
    assert await list_keys(store) == []
    assert await store.execute("XLEN", KEYS.events) == events


@pytest.mark.parametrize("what", sorted(set(REPORTS) - {"cancelled"}))
async def test_a_report_from_a_charge_point_is_stored_even_after_the_store_was_wiped(
    store: Store, what: str
) -> None:
    """Soon after the wipe, the charge point's session takes its lease back."""
    sent = await commands.submit(store, *NAME, action="Reset", payload=b"{}", ttl_ms=9_000, reply_to="")
    assert isinstance(sent, commands.Submitted)
    await store.execute("DEL", KEYS.recent_commands)
    await REPORTS[what](store, sent.command.id)
    assert await list_keys(store) != []


@pytest.mark.parametrize("action", ["SetChargingProfile", "SendLocalList", "ReserveNow"])
async def test_a_command_that_times_out_after_a_deletion_leaves_no_key_of_the_deleted_charge_point_behind(
    store: Store, action: str
) -> None:
    lease = (await claimed(store, "a/1")).lease
    await open_inbox(store, "a")
    sent = await commands.submit(store, *NAME, action=action, payload=b"{}", ttl_ms=9_000, reply_to="")
    assert isinstance(sent, commands.Submitted)
    assert isinstance(await commands.claim(store, lease, sent.command.id, "nonce"), commands.Go)
    assert await charge_points.delete(store, *NAME)
    await commands.settle(store, KEYS, sent.command.id, status="timeout")
    assert await list_keys(store) == []
    found = await commands.get(store, "acme", sent.command.id)
    assert found is not None
    assert found.status == "timeout"


async def test_a_command_that_is_recorded_after_the_deletion_of_its_charge_point_is_not_listed(
    store: Store,
) -> None:
    await claimed(store, "a/1")
    assert await charge_points.delete(store, *NAME)
    sent = await commands.submit(store, *NAME, action="Reset", payload=b"{}", ttl_ms=9_000, reply_to="")
    assert isinstance(sent, commands.Submitted)
    assert sent.command.status == "offline"
    assert await list_keys(store) == []


@pytest.mark.parametrize("connected", [True, False])
async def test_a_change_by_an_operator_is_not_stored_if_the_charge_point_was_deleted_before_the_change(
    store: Store, *, connected: bool
) -> None:
    if connected:
        await claimed(store, "a/1")
    else:
        await charge_points.put(store, *NAME, Settings())
    assert await charge_points.delete(store, *NAME)
    assert await local_lists.replace(store, KEYS, {}) is None
    assert await local_lists.edit(store, KEYS, [("T", Entry("T"))]) is None
    assert await jobs.new_request_id(store, *NAME) is None
    assert await reservations.find_free_id(store, KEYS) is None
    assert await list_keys(store) == []
