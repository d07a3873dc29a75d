import msgspec

from state import keys
from state.charge_points.denied_certificates import Denied, deny
from state.store import Store


async def test_a_denied_certificate_is_stored_by_issuer_and_serial_number_with_the_reason(
    store: Store,
) -> None:
    await deny(store, "CN=ca,O=x", "ab12", "The charge point was stolen.")
    await deny(store, "CN=ca,O=x", "ab12", "A repeated denial changes nothing.")
    [[field, value]] = (await store.execute("HGETALL", keys.DENIED_CERTIFICATES)).items()
    assert field == b"CN=ca,O=x|ab12"
    denied = msgspec.json.decode(value, type=Denied)
    assert denied.why == "The charge point was stolen."
    assert abs(denied.denied_ms - store.server_time_ms()) < 60_000
