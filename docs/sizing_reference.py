"""The page about sizes. Its tables and its example are computed as `csms sizing` computes them."""

from msgspec.structs import replace

from admin.sizing.figures import Figure
from admin.sizing.fleet import Fleet
from admin.sizing.report import describe, write
from admin.sizing.sizes import (
    EVENTS_OF_TENANT,
    HANDSHAKES_PER_S,
    MEMORY_SHARE,
    SESSIONS,
    STEADY_CORE,
    STEPS_OF_RECONNECT,
    STORE_CORE,
    STORE_DISK,
    STORE_MEMORY,
    STORE_SHARE,
    STORM_CORE,
    Sizes,
    size,
)
from docs.markdown import make_list, make_page, make_table, make_text

FLEETS = (1_000, 10_000, 100_000, 1_000_000)
_EXAMPLE = Fleet(charge_points=20_000)
_COMMAND = """\
csms sizing --charge-points 20000 --transactions-a-day 3 --meter-values-every 60 --heartbeat 300 \\
  --reconnect-within 120
"""
_SLOW_DISK_FLEET = 400
_SLOW_DISK = (
    ("this disk", "0.3 ms", "7,225", "94 %, 21 %", "2.2 ms, 6.0 ms", "2.1 ms, 5.1 ms"),
    ("1 ms", "1.2 ms", "8,004", "98 %, 24 %", "3.0 ms, 5.8 ms", "2.8 ms, 4.3 ms"),
    ("2 ms", "2.2 ms", "2,670", "39 %, 13 %", "3.9 ms, 11 ms", "3.8 ms, 18 ms"),
    ("5 ms", "5.2 ms", "7,618", "95 %, 22 %", "7.2 ms, 12 ms", "6.9 ms, 21 ms"),
    ("10 ms", "10.2 ms", "6,450", "82 %, 21 %", "28 ms, 49 ms", "37 ms, 73 ms"),
    ("20 ms", "20.4 ms", "5,090", "64 %, 17 %", "74 ms, 86 ms", "112 ms, 126 ms"),
)


_NOTES = f""""Needed" also names what decides: sessions, because a gateway has at most {SESSIONS:,}; the
    processor in the busiest hour; or a storm. In a *storm*, all charge points come back. **The column of
    1,000,000 charge points is an extrapolation.** Nothing beyond 50,000 connections, or 100,000 sessions
    without sockets, was ever run. All rows but the last two are for one installation.
    """
_GATEWAYS = f"""**Gateways.** A gateway process uses one core. The work of the busiest hour is the sum of
    sessions, Heartbeats, MeterValues and transactions, each times its CPU time in the
    [table](#the-measured-numbers). A gateway may use {STEADY_CORE:.0%} of its core for it. In a storm, each
    reconnect takes a TLS handshake, a BootNotification and three StatusNotifications in addition, and a
    gateway may use {STORM_CORE:.0%} of its core. A gateway also admits at most {HANDSHAKES_PER_S}
    handshakes a second (`limits.handshakes_per_second`). The number of gateways that are needed is the
    greatest of the numbers for sessions, busiest hour and storm.

    The memory of a gateway is that of an empty process after storms, and that of its sessions while a zone
    is lost. The sum is divided by {MEMORY_SHARE:.0%}, because a gateway that uses more refuses charge
    points. Sessions without TLS need about half as much memory. A client certificate (security profile 3)
    adds about 15 KiB to a session.
    """
_STORE = f"""**Store.** Its data are the charge points with their configurations, transactions that are
    open, wait for packing or are hot, and events. An open transaction has half of its messages on average.
    Events are kept for 6 hours, but at most {EVENTS_OF_TENANT:,} of each tenant. `maxmemory` is so large
    that the data are below {STORE_SHARE:.0%} of it, where csms begins to warn. The machine has
    {STORE_MEMORY} times as much memory, because a rewrite of the file may copy everything. The disk has
    {STORE_DISK} times as much, because the file grows to twice the size of the data until it is rewritten,
    and the old file stays until the new one is complete. Without an archive, transactions stay in the
    store, and each one with 120 messages takes 3.1 KiB.

    Each MeterValues, start, stop and StatusNotification is one step that writes. A reconnect is
    {STEPS_OF_RECONNECT} such steps. Steps that arrive during an fsync share the next one. So with `w`
    writes a second and `t` seconds for an fsync, there are `w / (1 + w t)` fsyncs a second. The CPU time of
    the store is that of all steps and that of all fsyncs.
    """
_ADMIN = """**Admin.** There are two processes, because one may fail. One of them packs and archives. Each
    has 0.5 GiB, as in [k8s](../k8s/README.md). The load of operators who use the API is not part of the
    figures.

    **Network.** The bytes are computed from the sizes of messages, and from the frames and headers of
    websocket, TLS and TCP. They are between gateways and charge points, in both directions.
    """
_ZONES = """The number of gateways is the least that passes two tests. There is at least one gateway more
    than needed, so that one can fail or be updated. And if the zone with the most gateways is lost, the
    others can carry the whole fleet, even in a storm of all charge points. With three zones, this makes
    half as many again as needed. The load balancer must spread connections evenly over the gateways that
    are left. Gateways that start later stay almost empty until you [move
    sessions](operations.md#nodes-see-them-drain-them-move-sessions).

    The store has no such reserve. It is in one zone, because csms does not support replicas and failover
    yet. If that zone is lost, gateways keep their connections, but acknowledge nothing until the disk of
    the store is attached in another zone, or a backup is restored. Some clouds have disks that are copied
    between zones. Such a disk is slower, as the next but one section describes.
    """
_DISK = f"""`python -m tests.bench.slow_disk` makes each fsync of Valkey take at least as long as the first
    column says. For this, it puts a small library in front of fsync (LD_PRELOAD). {_SLOW_DISK_FLEET} charge
    points without TLS start and stop transactions at one gateway. All processes and the client share two
    cores with other jobs (load 1 to 2). For the throughput, each charge point has one call in flight all
    the time. For the latencies, there are 100 calls a second, and the time counts from the moment at which
    a call was due. (Nov 30)
    """
_DISK_MEANS = """So a slow disk costs time first, and throughput much later: while an fsync lasts, more
    steps come together for the next one. With 20 ms, one gateway still got more than 5,000 acknowledgements
    a second. A fleet of 1,000,000 charge points needs about 200 a second in the busiest hour. But an answer
    takes three to six fsyncs with 10 ms or more, because the store is then always in an fsync: a read waits
    for the one that is under way, and a write waits for that one and for its own. The throughput varies a
    lot from run to run: the least of three runs was 1,700 a second (5 ms), and with 2 ms it was always
    2,700 to 4,100. Why it was lower there than with slower disks was not found out. So rely on 1,700 a
    second.

    All other work that needs the store waits in the same way, and a reconnect has several steps one after
    the other. Only a Heartbeat needs no store. Charge points usually wait 30 s or longer for an answer, so
    a disk with 20 ms still serves them. For answers within some 20 ms, choose a disk with at most 5 ms.
    `csms doctor` shows how long an fsync takes on the disk of your store, and the metric
    `csms_call_seconds` shows how long answers take.

    Clouds sell network disks by operations a second. Choose twice as many as the row of fsyncs says,
    because a file system may write its journal in addition. Network disks usually take 0.5 to 10 ms for an
    fsync. That is general knowledge and was not measured.
    """
_MEASURED = """All numbers are from one virtual machine with two shared cores of an AMD EPYC. The CPU times
    are those of `/proc`, because times on a clock would also measure other jobs. They are for 100 to 200
    messages a second over TLS, where each message wakes the process. In larger groups, messages cost less:
    a saturated gateway spends only 24 us on a Heartbeat and 55 us on a MeterValues
    ([measurements](measurements.md#the-gateway)). So a busy gateway can do more than this table says.

    To check the arithmetic, `tests.bench.fleet` also ran a mixed fleet of 1,000 charge points, a quarter of
    them charging for 1 to 4 minutes at a time. The gateway used 13.1 us of CPU for a charge point and
    second. The sum of the parts in this table is 13.3 us. The store used 15 us, and the arithmetic gives
    less than half of it, because at such low rates the store is mostly busy with waking up. In another run,
    two gateways with 10,000 charge points each used 14 to 19 % of a core
    ([measurements](measurements.md#the-load-test)), while the arithmetic gives 8 %. There, generators and
    gateways shared two cores. So expect an error of up to a factor of two.
    """
_NOT_MEASURED = (
    "More than 50,000 connections in one system, and more than 100,000 sessions in one store.",
    "Gateways, store and charge points on machines of their own, with a network between them.",
    "ARM processors, and processors of other clouds.",
    "Real network disks. The slow fsync above is a fast disk and a pause. A real disk has slow moments.",
    "Stores with more than 1 GiB of data: rewrites of their file, and the time to load it after a restart.",
    "The loss of a real zone, and load balancers.",
    "Many operators. Each reader of events takes 0.2 % of a core of an admin process for each tenant.",
    "TLS to the store, and RSA certificates, which cost a gateway more CPU time than ECDSA.",
)


def sizing() -> str:
    found = [size(Fleet(charge_points=number)) for number in FLEETS]
    return make_page(
        "Sizing",
        f"""How many gateways does a fleet need, how large must the store be, and how fast its disk? `csms
        sizing` computes this from numbers that were measured. This page has its results, the arithmetic, the
        numbers, and what was not measured. The machine of the measurements had two shared cores, a fast disk
        and other jobs, so treat each result as a first guess that is good to a factor of two. Then run
        [`csms loadtest`](loadtest.md) with your own fleet on your own machines.

        {_summary(found)}
        """,
        "## Your own fleet\n",
        "The command needs no store and no other process. `csms sizing --help` explains each option, and\n"
        "`--output json` is for programs:\n",
        f'```sh\nexport PATH="$PWD/.venv/bin:$PATH"\n{_COMMAND}```\n```output\n{_lines(_EXAMPLE)}```\n',
        "## From 1,000 to 1,000,000 charge points\n",
        _assumptions(),
        make_table(("", *(f"{number:,}" for number in FLEETS)), _rows(found)),
        make_text(_NOTES),
        "## The arithmetic\n",
        make_text(_GATEWAYS),
        make_text(_STORE),
        make_text(_ADMIN),
        "## A lost zone, and one more than needed\n",
        make_text(_ZONES),
        "## The limit of one store\n",
        make_text(_limit()),
        "## What a slow disk does\n",
        make_text(_DISK),
        make_table(
            (
                "An fsync takes at least",
                "One write",
                "Acknowledged starts and stops a second",
                "CPU of the gateway, of the store",
                "StartTransaction, p50 and p99",
                "StopTransaction, p50 and p99",
            ),
            _SLOW_DISK,
        ),
        make_text(_DISK_MEANS),
        "## The measured numbers\n",
        make_text(_MEASURED),
        make_table(
            ("Number", "What", "Measured by"),
            ((f"{each.number:g} {each.unit}", each.meaning, each.source) for each in Figure),
        ),
        "## What was not measured\n",
        make_list(_NOT_MEASURED),
    )


def _limit() -> str:
    largest, patient = (_find_largest(Fleet(charge_points=1, reconnect_within=each)) for each in (120, 600))
    return f"""A store executes all steps on one core. `csms sizing` lets the steps take {STORE_CORE:.0%} of
        this core in a storm. The rest is for fsyncs, lists, exports, the examination of charge points,
        packing, archiving and rewrites of the file. With the assumptions above, one store is enough for
        {largest:,} charge points. If they may take 600 s instead of 120 s to come back, it is enough for
        {patient:,}.

        If one store is not enough, more stores are needed. csms does not support Redis Cluster yet, so divide
        the tenants among several installations, each with its own store, gateways and address. `csms sizing`
        says how many. A tenant cannot be divided, and registers at most 500,000 charge points by itself.

        Memory and restarts are reasons to divide earlier. A store with many GiB loads its file after each
        restart, and csms acknowledges nothing in this time. How long this takes was not measured."""


def _find_largest(fleet: Fleet) -> int:
    """Return the number of charge points that one installation can serve, to 10,000."""
    number = 10_000
    while size(replace(fleet, charge_points=number + 10_000)).installations == 1:
        number += 10_000
    return number


def _lines(fleet: Fleet) -> str:
    return "".join(f"{line}\n" for line in describe(size(fleet)))


def _summary(found: list[Sizes]) -> str:
    middle = found[2]
    return f"""In short: 100,000 charge points need {middle.gateways.count} gateways of one vCPU and
        {write(middle.gateways.gib)} GiB each, one store with {write(middle.store.memory_gib)} GiB of memory,
        and two admin processes. That is {write(middle.vcpu_per_thousand)} vCPU and
        {write(middle.gib_per_thousand)} GiB for 1,000 charge points. The number of sessions decides how
        many gateways there are, and not the processor."""


def _rows(found: list[Sizes]) -> list[tuple[str, ...]]:
    def row(name: str, *values: str) -> tuple[str, ...]:
        return (name, *values)

    return [
        row("Installations", *(str(one.installations) for one in found)),
        row("Gateways, of 1 vCPU each", *(str(one.gateways.count) for one in found)),
        row("of these needed", *(f"{one.gateways.needed} ({one.gateways.decided_by})" for one in found)),
        row("Memory of a gateway, GiB", *(write(one.gateways.gib) for one in found)),
        row("Sessions of a gateway", *(f"{one.gateways.sessions:,}" for one in found)),
        row("when a zone is lost", *(f"{one.gateways.sessions_without_a_zone:,}" for one in found)),
        row("Core of a gateway, busiest hour", *(f"{one.gateways.core_busiest:.0%}" for one in found)),
        row("in a storm", *(f"{one.gateways.core_storm:.0%}" for one in found)),
        row("Admin processes, 1 vCPU and 0.5 GiB each", *(str(one.admins) for one in found)),
        row("Core to pack and archive, busiest hour", *(f"{one.admin_core:.0%}" for one in found)),
        row("Store: data, GiB", *(write(one.store.data_gib) for one in found)),
        row("`maxmemory`, GiB", *(write(one.store.maxmemory_gib) for one in found)),
        row("memory of its machine (2 vCPU), GiB", *(write(one.store.memory_gib) for one in found)),
        row("disk, GiB", *(write(one.store.disk_gib) for one in found)),
        row("writes a second, busiest hour", *(write(one.store.writes_per_s) for one in found)),
        row("in a storm", *(write(one.store.writes_per_s_storm) for one in found)),
        row("fsyncs a second, in a storm", *(write(one.store.fsyncs_per_s) for one in found)),
        row("MiB a second of file, in a storm", *(write(one.store.file_mib_per_s) for one in found)),
        row("core of the store, busiest hour", *(f"{one.store.core:.0%}" for one in found)),
        row("in a storm", *(f"{one.store.core_storm:.0%}" for one in found)),
        row("of it steps, which grouping cannot save", *(f"{one.store.steps_core:.0%}" for one in found)),
        row("Archive, GiB a year", *(write(one.archive_gib_a_year) for one in found)),
        row("Network, Mbit/s, busiest hour", *(write(one.network_mbit_per_s) for one in found)),
        row("in a storm", *(write(one.network_mbit_per_s_storm) for one in found)),
        row("Sum: vCPU", *(str(one.vcpu) for one in found)),
        row("memory, GiB", *(write(one.gib) for one in found)),
        row("**vCPU for 1,000 charge points**", *(write(one.vcpu_per_thousand) for one in found)),
        row("**GiB for 1,000 charge points**", *(write(one.gib_per_thousand) for one in found)),
        row("All installations: vCPU", *(str(one.installations * one.vcpu) for one in found)),
        row("memory, GiB", *(write(one.installations * one.gib) for one in found)),
    ]


def _assumptions() -> str:
    fleet = Fleet(charge_points=1)
    return make_text(
        f"""Each charge point has {fleet.transactions_a_day:g} transactions a day of
        {fleet.transaction_minutes:g} minutes, and sends MeterValues of 850 bytes every
        {fleet.meter_values_every:g} s while it charges, and a Heartbeat every {fleet.heartbeat:g} s. The
        busiest hour, such as the morning peak of starts, is {fleet.peak:g} times as busy as the average, so
        {min(1, fleet.charging):.0%} of all charge points charge at the same time. After a power cut or a loss
        of the network, all charge points are back within {fleet.reconnect_within:g} s, evenly spread. All
        connections use TLS. An archive takes transactions out of the store after {fleet.hot_hours:g} hours.
        {fleet.tenants} tenants share the fleet. The gateways are in {fleet.zones} zones. An fsync takes
        {fleet.fsync_ms:g} ms. """
    )
