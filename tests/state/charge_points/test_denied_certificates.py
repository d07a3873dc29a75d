from state import keys
from state.charge_points.denied_certificates import by_serial_number, deny
from state.store import Store


async def test_a_denied_certificate_is_stored_by_issuer_and_serial_number_with_the_reason(
    store: Store,
) -> None:
    name = by_serial_number("CN=ca,O=x", "0AB12")
    assert await deny(store, name, "The charge point was stolen.", 5) == "denied"
    assert await deny(store, name, "A repeated denial changes nothing.", 6) == "already_denied"
    found = await store.execute("HGETALL", keys.DENIED_CERTIFICATES)
    assert found == {b"CN=ca,O=x|ab12": b'{"denied_ms":5,"why":"The charge point was stolen."}'}
