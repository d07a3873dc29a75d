from gateway.handlers import core as handlers
from gateway.handlers.charge_point import ChargePoint, SessionMemory
from gateway.ocpp16.messages import core
from state.keys import ChargePointKeys
from state.store import Store
from tests.support.transactions import begin, claimed

KEYS = ChargePointKeys("demo", "CP.1")


async def test_meter_values_that_a_transaction_cannot_take_are_answered_and_counted_as_a_fault(
    store: Store,
) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    await store.execute("HSET", KEYS.packed(id_), "i", b"", "d0", b"\0" * 8 * 100_000)
    charge_point = ChargePoint(store, lease, SessionMemory(heartbeat_interval_s=300, registration="Accepted"))
    payload = (
        b'{"connectorId":1,"transactionId":%d,"meterValue":[{"timestamp":"2026-01-01T00:00:00Z",'
        b'"sampledValue":[{"value":"1"}]}]}'
    ) % id_
    charge_point.payload = payload
    request = core.MeterValues(connector_id=1, transaction_id=id_, meter_value=())
    assert await handlers.meter_values(request, charge_point) == core.MeterValuesResult()
    assert charge_point.faults == ["too_many_values"]
