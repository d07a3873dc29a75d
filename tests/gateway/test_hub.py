"""The hub finds the right session of a charge point that has several sessions."""

from types import SimpleNamespace
from typing import cast

import pytest

from gateway.hub import Hub
from gateway.session.session import Session
from state.keys import ChargePointKeys
from state.nodes.leases import Lease

KEYS = ChargePointKeys("t", "cp")


def session(number: int, *, epoch: int, claimed_ms: int, keys: ChargePointKeys = KEYS) -> Session:
    lease = Lease(keys, f"node/{number}", epoch, claimed_ms=claimed_ms)
    return cast("Session", SimpleNamespace(link=SimpleNamespace(lease=lease)))


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (session(1, epoch=1, claimed_ms=50), session(2, epoch=2, claimed_ms=51)),
        (session(2, epoch=1, claimed_ms=50), session(1, epoch=2, claimed_ms=50)),
        (session(1, epoch=7, claimed_ms=50), session(2, epoch=1, claimed_ms=60)),  # The store was wiped.
    ],
)
@pytest.mark.parametrize("newer_first", [False, True])
def test_the_hub_finds_the_newer_of_two_sessions_of_a_charge_point(
    older: Session, newer: Session, *, newer_first: bool
) -> None:
    hub = Hub()
    for one in (newer, older) if newer_first else (older, newer):
        hub.add(one)
    assert hub.find(KEYS.member) is newer
    assert hub.find_holder(older.link.lease.holder) is older
    assert hub.find_holder(newer.link.lease.holder) is newer
    assert (len(hub), set(map(id, hub))) == (2, {id(older), id(newer)})
    hub.remove(older)
    assert hub.find(KEYS.member) is newer
    assert hub.find_holder(older.link.lease.holder) is None
    hub.remove(newer)
    assert (len(hub), hub.find(KEYS.member)) == (0, None)


def test_sessions_are_counted_by_tenant_and_small_tenants_together() -> None:
    hub = Hub()
    sizes = {"large": 3, "middle": 2, "small": 1, "tiny": 1}
    held = [
        session(number, epoch=1, claimed_ms=1, keys=ChargePointKeys(tenant, str(number)))
        for number, tenant in enumerate(tenant for tenant, size in sizes.items() for _ in range(size))
    ]
    for one in held:
        hub.add(one)
    assert hub.count_by_tenant(2) == {"large": 3, "middle": 2, "": 2}
    for one in held:
        hub.remove(one)
    assert hub.count_by_tenant(2) == {"": 0}
