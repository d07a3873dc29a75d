"""How large the parts of a system must be for a fleet. `docs/sizing.md` explains each rule."""

from math import ceil
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from admin.sizing.figures import MESSAGES, Figure
from admin.sizing.fleet import Fleet

SESSIONS = 15_000
"""As `limits.connections` of a gateway."""
HANDSHAKES_PER_S = 300
"""As `limits.handshakes_per_second` of a gateway."""
STEADY_CORE, STORM_CORE = 0.7, 0.9
"""Shares of a core that a gateway may use in the busiest hour, and in a storm."""
STORE_CORE = 0.5
"""Share of a core that the steps may take in a store, which runs all of them on one core."""
MEMORY_SHARE = 0.85
"""Share of its memory from which on a gateway refuses charge points."""
STORE_SHARE = 0.8
"""Share of `maxmemory` from which on csms warns."""
STORE_MEMORY, STORE_DISK = 2, 3
"""How many times `maxmemory` a machine needs of memory and of disk, because of rewrites of the file."""
STEPS_OF_TRANSACTION, STEPS_OF_RECONNECT = 6, 6
"""Steps that write: start, stop and four statuses; release, claim, boot and three statuses."""
EVENTS_OF_TRANSACTION = 6
EVENTS_OF_TENANT = 256 * 10_000
"""The store keeps no more events of a tenant."""
_STATUSES = 3
"""StatusNotifications of a charge point with two connectors, after its boot."""
_DAY_S = 86_400
_YEAR_S = 365 * _DAY_S
_EVENT_S = 6 * 3600
"""Events are kept for so long."""
_PACKED_AFTER_S = 300
"""As `packing.after_s` of an admin process."""
_HEARTBEAT_MEASURED_S = 300
_KIB_OF_GIB = 1 << 20
_STEP_GIB = 0.25
_LEAST_STORE_GIB = 0.25
_DISK_FLOOR_GIB = 1.0
"""Less free space than this is `low` for csms."""
_ADMINS, _ADMIN_GIB, _STORE_VCPU = 2, 0.5, 2
# Bytes in both directions with the frames of websocket, TLS and TCP. They are computed and not measured.
_VALUES_BYTES, _HEARTBEAT_BYTES, _PING_BYTES = 1_200, 450, 300
_TRANSACTION_BYTES, _RECONNECT_BYTES = 7 * 600, 9_000
_PING_EVERY_S = 60


type Decided = Literal["sessions", "busiest hour", "storm"]


class Gateways(Struct, frozen=True, kw_only=True):
    """`needed` can carry the fleet. `count` has as many more as one lost zone, or one lost gateway, takes."""

    needed: int
    count: int
    left: int
    decided_by: Decided
    sessions: int
    sessions_without_a_zone: int
    gib: float
    core_busiest: float
    core_storm: float


class StoreSize(Struct, frozen=True, kw_only=True):
    """`core` is the share of one core in the busiest hour, and `core_storm` in a storm."""

    core: float
    core_storm: float
    steps_core: float
    writes_per_s: float
    writes_per_s_storm: float
    fsyncs_per_s: float
    data_gib: float
    maxmemory_gib: float
    memory_gib: float
    disk_gib: float
    file_mib_per_s: float


class Sizes(Struct, frozen=True, kw_only=True):
    """`installations` share the fleet by its tenants. The other figures are for one of them."""

    installations: int
    fleet: Fleet
    gateways: Gateways
    store: StoreSize
    admins: int
    admin_gib: float
    admin_core: float
    archive_gib_a_year: float
    network_mbit_per_s: float
    network_mbit_per_s_storm: float
    vcpu: int
    gib: float
    vcpu_per_thousand: float
    gib_per_thousand: float


def size(fleet: Fleet) -> Sizes:
    """Divide the fleet among as few installations as their stores allow, and size one of them."""
    installations = 1
    while True:
        found = _size_one(
            replace(
                fleet,
                charge_points=ceil(fleet.charge_points / installations),
                tenants=ceil(fleet.tenants / installations),
            )
        )
        if found.store.steps_core <= STORE_CORE or installations == fleet.charge_points:
            return replace(found, installations=installations)
        installations += 1


def _size_one(fleet: Fleet) -> Sizes:
    gateways = size_gateways(fleet)
    store = size_store(fleet, gateways.count)
    vcpu = gateways.count + _ADMINS + _STORE_VCPU
    gib = gateways.count * gateways.gib + _ADMINS * _ADMIN_GIB + store.memory_gib
    longer = fleet.messages / MESSAGES
    archive_kib = fleet.transactions_per_s * _YEAR_S * longer * Figure.ARCHIVE_KIB.number
    bytes_per_s = _bytes_per_s(fleet)
    return Sizes(
        installations=1,
        fleet=fleet,
        gateways=gateways,
        store=store,
        admins=_ADMINS,
        admin_gib=_ADMIN_GIB,
        admin_core=fleet.starts_per_s * longer * (Figure.PACK_MS.number + Figure.ARCHIVE_MS.number) / 1e3,
        archive_gib_a_year=archive_kib / _KIB_OF_GIB,
        network_mbit_per_s=bytes_per_s * 8 / 1e6,
        network_mbit_per_s_storm=(bytes_per_s + fleet.reconnects_per_s * _RECONNECT_BYTES) * 8 / 1e6,
        vcpu=vcpu,
        gib=gib,
        vcpu_per_thousand=vcpu / fleet.charge_points * 1000,
        gib_per_thousand=gib / fleet.charge_points * 1000,
    )


def size_gateways(fleet: Fleet) -> Gateways:
    busiest = _gateway_core(fleet)
    reconnect_us = Figure.RECONNECT_US.number + _STATUSES * Figure.STATUS_US.number
    storm = busiest + fleet.reconnects_per_s * reconnect_us / 1e6
    empty = Figure.GATEWAY_EMPTY_US.number / 1e6
    wanted: dict[Decided, int] = {
        "sessions": ceil(fleet.charge_points / SESSIONS),
        "busiest hour": ceil(busiest / (STEADY_CORE - empty)),
        "storm": max(ceil(storm / (STORM_CORE - empty)), ceil(fleet.reconnects_per_s / HANDSHAKES_PER_S)),
    }
    decided_by = max(wanted, key=lambda reason: wanted[reason])
    needed = wanted[decided_by]
    count = needed + 1
    while (left := count - ceil(count / fleet.zones)) < needed:
        count += 1
    most = ceil(fleet.charge_points / left)
    return Gateways(
        needed=needed,
        count=count,
        left=left,
        decided_by=decided_by,
        sessions=ceil(fleet.charge_points / count),
        sessions_without_a_zone=most,
        gib=_gateway_gib(most),
        core_busiest=empty + busiest / count,
        core_storm=empty + storm / count,
    )


def _gateway_core(fleet: Fleet) -> float:
    """Return the cores that the work of the busiest hour takes from all gateways together."""
    # The Heartbeats of the measurement of idle sessions came each 300 s. Their cost is added below.
    idle_us = Figure.IDLE_US.number - Figure.HEARTBEAT_US.number / _HEARTBEAT_MEASURED_S
    return (
        fleet.charge_points * idle_us
        + fleet.heartbeats_per_s * Figure.HEARTBEAT_US.number
        + fleet.values_per_s * Figure.VALUES_US.number
        + fleet.starts_per_s * Figure.TRANSACTION_US.number
    ) / 1e6


def _gateway_gib(sessions: int) -> float:
    kib = Figure.GATEWAY_MIB.number * 1024 + sessions * Figure.SESSION_KIB.number
    return ceil(kib / MEMORY_SHARE / _KIB_OF_GIB / _STEP_GIB) * _STEP_GIB


def size_store(fleet: Fleet, gateways: int) -> StoreSize:
    upkeep = fleet.charge_points * Figure.UPKEEP_US.number + gateways * Figure.GATEWAY_UPKEEP_US.number
    writes = fleet.values_per_s + fleet.starts_per_s * STEPS_OF_TRANSACTION
    storm = writes + fleet.reconnects_per_s * STEPS_OF_RECONNECT
    steps = (upkeep + storm * Figure.STEP_US.number) / 1e6
    data = _data_kib(fleet) / _KIB_OF_GIB
    maxmemory = max(_LEAST_STORE_GIB, data / STORE_SHARE)
    reconnect_bytes = Figure.RECONNECT_FILE_BYTES.number + _STATUSES * Figure.STATUS_FILE_BYTES.number
    file_bytes = (
        fleet.values_per_s * Figure.VALUES_FILE_BYTES.number
        + fleet.starts_per_s * Figure.TRANSACTION_FILE_BYTES.number
        + fleet.reconnects_per_s * reconnect_bytes
    )
    return StoreSize(
        core=_store_core(fleet, upkeep, writes),
        core_storm=_store_core(fleet, upkeep, storm),
        steps_core=steps,
        writes_per_s=writes,
        writes_per_s_storm=storm,
        fsyncs_per_s=_fsyncs_per_s(fleet, storm),
        data_gib=data,
        maxmemory_gib=maxmemory,
        memory_gib=STORE_MEMORY * maxmemory,
        disk_gib=STORE_DISK * maxmemory + _DISK_FLOOR_GIB,
        file_mib_per_s=file_bytes / (1 << 20),
    )


def _store_core(fleet: Fleet, upkeep: float, writes: float) -> float:
    fsyncs = _fsyncs_per_s(fleet, writes)
    return min(1.0, (upkeep + writes * Figure.STEP_US.number + fsyncs * Figure.FSYNC_US.number) / 1e6)


def _fsyncs_per_s(fleet: Fleet, writes: float) -> float:
    """Steps that arrive during an fsync share the next one, so the slower the disk, the larger the groups."""
    return writes / (1 + writes * fleet.fsync_ms / 1e3)


def _data_kib(fleet: Fleet) -> float:
    longer = fleet.messages / MESSAGES
    hot = fleet.transactions_per_s * fleet.hot_hours * 3600
    waiting = fleet.starts_per_s * _PACKED_AFTER_S
    events = min(
        fleet.tenants * EVENTS_OF_TENANT,
        fleet.transactions_per_s
        * _EVENT_S
        * min(fleet.peak, _DAY_S / _EVENT_S)
        * (fleet.messages + EVENTS_OF_TRANSACTION),
    )
    return (
        fleet.charge_points * (Figure.CHARGE_POINT_KIB.number + Figure.CONFIGURATION_KIB.number)
        + hot * (Figure.FACTS_KIB.number + longer * Figure.PACKED_KIB.number)
        # An open transaction has half of its messages on average.
        + (fleet.charging / 2 + waiting) * longer * Figure.OPEN_KIB.number
        + events * Figure.EVENT_BYTES.number / 1024
    )


def _bytes_per_s(fleet: Fleet) -> float:
    return (
        fleet.values_per_s * _VALUES_BYTES
        + fleet.heartbeats_per_s * _HEARTBEAT_BYTES
        + fleet.charge_points / _PING_EVERY_S * _PING_BYTES
        + fleet.starts_per_s * _TRANSACTION_BYTES
    )
