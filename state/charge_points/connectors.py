"""The last status of each connector (0 is the charge point as a whole), as the charge point told it."""

import msgspec

from state.keys import ChargePointKeys
from state.nodes.leases import Lease, require
from state.store import Store

CONNECTORS = 256
"""Of one charge point; what it says of more is not kept."""


class Connector(msgspec.Struct, frozen=True, kw_only=True):
    """A StatusNotification; `timestamp` as sent."""

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
    """Keep a status; an event says so if status or error changed. Raises Superseded, LeaseLost.

    False: it is one connector more than CONNECTORS and was not kept.
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
    """All connectors that were heard of, by number."""
    reply = await store.execute("HGETALL", ChargePointKeys(tenant, charge_point).connectors)
    found = (_decode(value.partition(b"\n")[2]) for value in reply.values())
    return sorted(found, key=lambda connector: connector.connector_id)
