"""The records of features are deleted with their charge point.

These tests cover state/features.
"""

from state import charge_points
from state.features import certificates, data_transfer, job_record, jobs, security_events
from state.features.security_events import KEPT, SecurityEvent
from state.keys import ChargePointKeys
from state.store import Store
from tests.support.leases import claimed

KEYS = ChargePointKeys("acme", "CP-1")


async def test_a_deleted_charge_point_leaves_no_jobs_or_certificates_or_data_transfers_or_security_events(
    store: Store,
) -> None:
    await claimed(store, "n/1")
    job = job_record.begin("a", "GetLog", "Accepted", 1, request_id=1, payload=b"{}", file_name=None)
    await jobs.record_answer(store, KEYS, job)
    await certificates.record_list(store, KEYS, "ManufacturerRootCertificate", [], 1)
    transfer = data_transfer.Transfer(
        vendor_id="v", message_id=None, data=None, status="Accepted", received_ms=1
    )
    await data_transfer.keep(store, KEYS, transfer)
    for n in range(KEPT + 1):  # The event beyond the limit is counted in a separate key.
        event = SecurityEvent(type="x", timestamp=str(n), tech_info=None, received_ms=n)
        await security_events.keep(store, KEYS, event)
    own = (
        *(KEYS.jobs, KEYS.certificates, KEYS.data_transfers),
        *(KEYS.security_events, KEYS.security_events_evicted),
    )
    assert await store.execute("EXISTS", *own, key=KEYS.jobs) == len(own)
    assert await charge_points.delete(store, "acme", "CP-1")
    assert await store.execute("EXISTS", *own, key=KEYS.jobs) == 0
