"""The last status of each connector, as the charge point reported it.

Connector 0 is the whole charge point.
"""

import msgspec

from state.keys import ChargePointKeys
from state.nodes.leases import Lease, require
from state.store import Store

CONNECTORS = 256
"""Greatest number of connectors of one charge point whose status is stored."""


class Connector(msgspec.Struct, frozen=True, kw_only=True):
    """A StatusNotification. `timestamp` is the text that the charge point sent."""

    connector_id: int
    status: str
    error_code: str
    info: str | None = None
    vendor_id: str | None = None
    vendor_error_code: str | None = None
    timestamp: str | None = None
    received_ms: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Connector).decode


async def record_status(store: Store, lease: Lease, connector: Connector) -> bool:
    """Store a status, and emit an event if the status or an error code has changed.

    False means that nothing was stored, because as many other connectors as CONNECTORS allows have a stored
    status. Raises Superseded or LeaseLost.
    """
    what = _encode((connector.status, connector.error_code, connector.vendor_error_code))
    [word] = await store.step(
        "charge_points/connector_status",
        (*lease.head_keys(), lease.keys.connectors),
        (*lease.head_args(), connector.connector_id, what, _encode(connector), CONNECTORS),
    )
    require(word)
    return bool(word == b"ok")


async def list_(store: Store, tenant: str, charge_point: str) -> list[Connector]:
    """List the stored status of each connector, sorted by the connector's number."""
    reply = await store.execute("HGETALL", ChargePointKeys(tenant, charge_point).connectors)
    found = (_decode(value.partition(b"\n")[2]) for value in reply.values())
    return sorted(found, key=lambda connector: connector.connector_id)
