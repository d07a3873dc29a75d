"""What a size means, in lines of text."""

from admin.sizing.fleet import Fleet
from admin.sizing.sizes import Gateways, Sizes, StoreSize

_WIDTH = 10


def describe(found: Sizes) -> list[str]:
    """Return the lines that `csms sizing` prints."""
    return [
        f"{'' if number else head:{_WIDTH}}{line}"
        for head, lines in _parts(found).items()
        for number, line in enumerate(lines)
    ]


def _parts(found: Sizes) -> dict[str, list[str]]:
    parts = {
        "fleet": _describe_fleet(found.fleet),
        "gateways": _describe_gateways(found.gateways),
        "admin": _describe_admin(found),
        "store": _describe_store(found.store),
        "archive": [f"{write(found.archive_gib_a_year)} GiB a year"],
        "network": _describe_network(found),
        "sum": _describe_sum(found),
    }
    if found.installations > 1:
        several = f"{found.installations}, with the tenants divided among them; all below is for one of them"
        return {"systems": [several], **parts}
    return parts


def _describe_fleet(fleet: Fleet) -> list[str]:
    starts, values = write(fleet.starts_per_s), write(fleet.values_per_s)
    return [
        f"{fleet.charge_points:,} charge points",
        f"busiest hour: {write(fleet.charging)} charge, {starts} starts and {values} MeterValues a second",
        f"storm: {write(fleet.reconnects_per_s)} reconnects a second",
    ]


def _describe_gateways(found: Gateways) -> list[str]:
    carry = f"{found.needed} can carry the fleet ({found.decided_by})"
    busiest, storm = f"{found.core_busiest:.0%}", f"{found.core_storm:.0%}"
    return [
        f"{found.count} of 1 vCPU and {write(found.gib)} GiB; {carry}",
        f"{found.sessions:,} sessions each, and {found.sessions_without_a_zone:,} when a zone is lost",
        f"{busiest} of a core each in the busiest hour, {storm} in a storm",
    ]


def _describe_admin(found: Sizes) -> list[str]:
    return [
        f"{found.admins} of 1 vCPU and {write(found.admin_gib)} GiB",
        f"{found.admin_core:.0%} of a core to pack and archive in the busiest hour",
    ]


def _describe_store(found: StoreSize) -> list[str]:
    writes, storm, fsyncs = (
        write(each) for each in (found.writes_per_s, found.writes_per_s_storm, found.fsyncs_per_s)
    )
    return [
        f"1 of 2 vCPU, {write(found.memory_gib)} GiB of memory and {write(found.disk_gib)} GiB of disk",
        f"maxmemory {write(found.maxmemory_gib)} GiB for {write(found.data_gib)} GiB of data",
        f"{writes} writes a second in the busiest hour, {storm} in a storm, in {fsyncs} fsyncs",
        f"{found.core:.0%} of a core in the busiest hour, {found.core_storm:.0%} in a storm",
        f"{write(found.file_mib_per_s)} MiB a second of file in a storm",
    ]


def _describe_network(found: Sizes) -> list[str]:
    busiest, storm = write(found.network_mbit_per_s), write(found.network_mbit_per_s_storm)
    return [f"{busiest} Mbit/s with the charge points in the busiest hour, {storm} in a storm"]


def _describe_sum(found: Sizes) -> list[str]:
    vcpu, gib = write(found.vcpu_per_thousand), write(found.gib_per_thousand)
    return [
        f"{found.vcpu} vCPU and {write(found.gib)} GiB",
        f"{vcpu} vCPU and {gib} GiB for 1,000 charge points",
    ]


def write(number: float) -> str:
    """Write a number with two significant digits, and a large one as a whole number."""
    if number >= 10:
        return f"{number:,.0f}"
    return f"{number:.2g}" if number else "0"
