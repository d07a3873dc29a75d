"""How often charge points connected during an update, by the epochs of their leases.

Each claim of a lease raises its epoch by one, and so does each connection. So the epochs count connections,
whatever the charge points themselves report.
"""

from collections import Counter

import httpx
import msgspec

from state.keys import ChargePointKeys
from state.nodes import leases
from state.store import Store
from tests.support.waiting import until

BACK_S = 300.0


class Moves(msgspec.Struct, frozen=True, kw_only=True):
    """`by_charge_point` has the number of new connections of each charge point during a change."""

    change: str
    began_at: float
    took_s: float
    by_charge_point: dict[str, int]

    @property
    def average(self) -> float:
        return sum(self.by_charge_point.values()) / len(self.by_charge_point)

    @property
    def counts(self) -> dict[int, int]:
        """The number of charge points for each number of moves."""
        return dict(sorted(Counter(self.by_charge_point.values()).items()))


async def list_ids(api: httpx.AsyncClient) -> list[str]:
    ids: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.get("/charge-points", params={"limit": "1000", **cursor})).raise_for_status().json()
        ids += [item["id"] for item in page["items"]]
        if page["next"] is None:
            return ids
        cursor = {"cursor": page["next"]}


async def read_epochs(store: Store, tenant: str, ids: list[str]) -> dict[str, int]:
    """Wait until all charge points are online, and return their epochs. Raises trio.TooSlowError."""
    keys = [ChargePointKeys(tenant, id_) for id_ in ids]
    epochs: dict[str, int] = {}

    async def are_online() -> bool:
        held = await leases.list_holdings(store, keys)
        epochs.update({id_: one.epoch for id_, one in zip(ids, held, strict=True) if one and one.online})
        return all(one is not None and one.online for one in held)

    await until(are_online, BACK_S, every_s=0.5)
    return epochs
