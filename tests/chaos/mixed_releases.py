"""What the release before and this one do to each other: each admin process with each gateway of both."""

import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import product
from typing import Any, NamedTuple

import httpx
import trio
import yaml  # type: ignore[import-untyped]  # comes with schemathesis, without types

from docs.metrics_reference import MONITORING
from gateway.websocket.client import UpgradeRefused
from tests.chaos.bench import Bench
from tests.k8s.promql import read_names
from tests.support.charge_point_peer import Peer, charge_point, now
from tests.support.waiting import until
from tests.system.central import Process, Tenant

RELEASES = ("before", "now")
BOOT = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
WATCHED = {"gateway": ("csms_sessions", "csms_draining"), "admin": ("csms_admin_waiting_requests",)}
"""Metrics whose absence makes an alert fire, by the kind of process. Both releases export them."""
DEADLINE_S = 180.0

type Restart = Callable[[str], Awaitable[None]]
"""Starts the admin process of a release again, in its place in `Mixed.admins`."""


class Mixed(NamedTuple):
    """A gateway with a port of its own and an admin process, of each release."""

    bench: Bench
    tenant: Tenant
    gateways: dict[str, Process]
    admins: dict[str, Process]

    @asynccontextmanager
    async def apis(self) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
        async with AsyncExitStack() as stack:
            yield {
                release: await stack.enter_async_context(self.tenant.api(admin))
                for release, admin in self.admins.items()
            }

    @asynccontextmanager
    async def booted(self, gateway: str, id_: str) -> AsyncIterator[Peer]:
        async with charge_point(self.tenant.url(self.gateways[gateway], id_)) as peer:
            await peer.call("BootNotification", BOOT)
            yield peer


def pairs() -> Iterator[tuple[str, str]]:
    """Return the releases of an admin process and of a gateway, in each combination."""
    return product(RELEASES, RELEASES)


def other_than(release: str) -> str:
    return RELEASES[1 - RELEASES.index(release)]


def note_of(peer: Peer) -> list[str]:
    """Return the data of the DataTransfers that a charge point got."""
    return [payload["data"] for _, action, payload in peer.asked if action == "DataTransfer"]


async def send(api: httpx.AsyncClient, id_: str, data: str, **query: str) -> dict[str, Any]:
    body = {"vendorId": "org.example", "data": data}
    sent = await api.post(f"/charge-points/{id_}/commands/DataTransfer", json=body, params=query)
    found: dict[str, Any] = sent.raise_for_status().json()
    return found


async def read(api: httpx.AsyncClient, path: str, **query: str) -> Any:
    return (await api.get(path, params=query)).raise_for_status().json()


async def require_same(mixed: Mixed, path: str, **query: str) -> None:
    """Require that each member that both releases show of a record has the same value."""
    async with mixed.apis() as apis:
        found = [await read(apis[release], path, **query) for release in RELEASES]
    shown = [one.get("items", [one]) for one in found]
    same = [one.keys() & other.keys() for one, other in zip(*shown, strict=False)]
    differing = {
        key for one, other, keys in zip(*shown, same, strict=False) for key in keys if one[key] != other[key]
    }
    what = f"GET {path}: the releases show"
    mixed.bench.require(
        len(shown[0]) == len(shown[1]) > 0, f"{what} {len(shown[0])}, {len(shown[1])} records"
    )
    mixed.bench.require(not differing, f"{what} {differing} in different ways")


async def exchange_commands(mixed: Mixed) -> None:
    """Send a command at once, from each admin process over each gateway."""
    async with mixed.apis() as apis:
        for admin, gateway in pairs():
            async with mixed.booted(gateway, id_ := f"at-once-{admin}-{gateway}") as peer:
                sent = await send(apis[admin], id_, "now", wait="30")
                mixed.bench.require(
                    sent["status"] == "answered" and note_of(peer) == ["now"],
                    f"a command of {admin} over {gateway} is {sent['status']}; it got {note_of(peer)}",
                )
                await require_same(mixed, f"/commands/{sent['id']}")
    mixed.bench.figure("commands sent at once by each admin process over each gateway", len([*pairs()]))


async def exchange_waiting_commands(mixed: Mixed) -> None:
    """Queue commands that wait for a charge point, and cancel one with the other admin process."""
    for admin, gateway in pairs():
        id_ = f"later-{admin}-{gateway}"
        ids = await queue_waiting(mixed, admin, id_)
        async with mixed.booted(gateway, id_) as peer, mixed.apis() as apis:
            statuses: list[str] = []

            async def have_ended() -> bool:
                statuses[:] = [(await read(apis[admin], f"/commands/{one}"))["status"] for one in ids]  # noqa: B023
                return not {"waiting", "queued", "sent"} & set(statuses)  # noqa: B023

            await until(have_ended, DEADLINE_S, every_s=0.2)
            mixed.bench.require(
                statuses == ["answered", "cancelled", "answered"] and note_of(peer) == ["0", "2"],
                f"waiting commands of {admin} over {gateway} are {statuses}; it got {note_of(peer)}",
            )
        for one in ids:
            await require_same(mixed, f"/commands/{one}")
        await require_same(mixed, f"/charge-points/{id_}/commands")
    mixed.bench.figure("commands that waited and were sent, or cancelled by the other", 3 * len([*pairs()]))


async def queue_waiting(mixed: Mixed, admin: str, id_: str) -> list[str]:
    async with mixed.apis() as apis:
        (await apis[admin].put(f"/charge-points/{id_}", json={})).raise_for_status()
        sent = [await send(apis[admin], id_, str(number), when="online") for number in range(3)]
        ids = [one["id"] for one in sent]
        for one in ids:
            await require_same(mixed, f"/commands/{one}")
        (await apis[other_than(admin)].post(f"/commands/{ids[1]}/cancel")).raise_for_status()
    return ids


async def exchange_batches(mixed: Mixed, restart: Restart) -> None:
    """Let each release begin a batch and die, and the other one end it."""
    for beginner in RELEASES:
        ids = [f"batch-{beginner}-{number:02}" for number in range(12)]
        async with AsyncExitStack() as stack:
            peers = {
                id_: await stack.enter_async_context(mixed.booted(RELEASES[number % 2], id_))
                for number, id_ in enumerate(ids)
            }
            batch = await begin_batch_and_kill(mixed, beginner, peers)
            heir = other_than(beginner)
            absent = f"batch-{beginner}-absent"
            async with mixed.tenant.api(mixed.admins[heir]) as api, mixed.booted(heir, absent) as late:
                await wait_batch_ended(api, batch)
                counts = (await read(api, f"/batches/{batch}"))["counts"]
            asked = [note_of(peer) for peer in (*peers.values(), late)]
            mixed.bench.require(
                counts["accepted"] == counts["total"] == len(asked) and asked == [["batch"]] * len(asked),
                f"the batch of {beginner} has {counts}, and its charge points got {asked}",
            )
        await restart(beginner)
        await require_same(mixed, f"/batches/{batch}")
        await require_same(mixed, f"/batches/{batch}/items", limit="100")
    mixed.bench.figure("batches that one release began and the other ended", len(RELEASES))


async def begin_batch_and_kill(mixed: Mixed, beginner: str, peers: dict[str, Peer]) -> str:
    """Begin a batch to these charge points and an absent one, and kill its process on the way."""
    heir, admin = mixed.admins[other_than(beginner)], mixed.admins[beginner]
    os.kill(heir.pid, signal.SIGSTOP)  # Otherwise it could begin the batch itself.
    try:
        async with mixed.tenant.api(admin) as api:
            absent = f"batch-{beginner}-absent"
            (await api.put(f"/charge-points/{absent}", json={})).raise_for_status()
            batch = await begin_batch(api, [*peers, absent], "batch")
            await until(lambda: sum(len(note_of(peer)) for peer in peers.values()) >= 3, DEADLINE_S)
        await trio.to_thread.run_sync(admin.kill)
    finally:
        os.kill(heir.pid, signal.SIGCONT)
    return batch


async def begin_batch(api: httpx.AsyncClient, ids: Iterable[str], data: str) -> str:
    body = {
        "action": "DataTransfer",
        "payload": {"vendorId": "org.example", "data": data},
        "filter": {"charge_points": [*ids]},
        "per_second": 2,
        "when": "online",
    }
    return str((await api.post("/batches", json=body)).raise_for_status().json()["id"])


async def wait_batch_ended(api: httpx.AsyncClient, batch: str) -> None:
    async def has_ended() -> bool:
        return (await read(api, f"/batches/{batch}"))["ended_at"] is not None

    await until(has_ended, DEADLINE_S, every_s=0.5)


async def exchange_transactions(mixed: Mixed) -> None:
    """Start a transaction on a gateway of one release, and stop it on a gateway of the other one."""
    for gateway in RELEASES:
        id_ = f"charges-{gateway}"
        async with mixed.booted(gateway, id_) as peer:
            started = (await peer.start())["transactionId"]
            await send_meter_value(peer, started, "200")
        await require_same(mixed, "/transactions", charge_point=id_)
        async with mixed.booted(other_than(gateway), id_) as peer:
            await send_meter_value(peer, started, "300")
            await peer.stop(started)
        await require_same(mixed, "/transactions", charge_point=id_)
        await require_same(mixed, f"/transactions/{id_}.{started}")
        await require_same(mixed, f"/transactions/{id_}.{started}/meter-values")
        await require_same(mixed, f"/charge-points/{id_}")
        await delete(mixed, id_, by=gateway)
    mixed.bench.figure("transactions that began on one release and ended on the other", len(RELEASES))


async def delete(mixed: Mixed, id_: str, *, by: str) -> None:
    """Delete a charge point with its transactions, which the journal of the fleet does not have."""
    async with mixed.apis() as apis:
        (await apis[by].delete(f"/charge-points/{id_}", params={"purge": "true"})).raise_for_status()
        found = await apis[other_than(by)].get(f"/charge-points/{id_}")
        mixed.bench.require(found.status_code == 404, f"{id_} was deleted by {by}: {found.status_code}")


async def send_meter_value(peer: Peer, transaction_id: int, value: str) -> None:
    sample = {"timestamp": now(), "sampledValue": [{"value": value}]}
    await peer.call(
        "MeterValues", {"connectorId": 1, "transactionId": transaction_id, "meterValue": [sample]}
    )


async def exchange_refusals(mixed: Mixed) -> None:
    """Let each gateway refuse a charge point, and read the refusal with both admin processes."""
    for gateway in RELEASES:
        id_ = f"refused-{gateway}"
        url = mixed.tenant.url(mixed.gateways[gateway], id_).replace(mixed.tenant.token, "wrong")
        try:
            async with charge_point(url):
                mixed.bench.require(False, f"the gateway {gateway} accepted a wrong token")
        except UpgradeRefused:
            pass
        async with mixed.apis() as apis:
            for api in apis.values():

                async def is_listed() -> bool:
                    return bool((await read(api, "/refusals", charge_point=id_))["items"])  # noqa: B023

                await until(is_listed, DEADLINE_S, every_s=0.2)
        await require_same(mixed, "/refusals", charge_point=id_)
    mixed.bench.figure("refusals of each gateway that both admin processes show", len(RELEASES))


async def require_metrics(mixed: Mixed) -> None:
    """Require what alerts need: all metrics from this release, and some from the one before, too."""
    for release in RELEASES:
        for kind, process in ("gateway", mixed.gateways[release]), ("admin", mixed.admins[release]):
            names = {sample[0] for sample in await process.read_metrics()}
            missing = set(WATCHED[kind]) - names
            mixed.bench.require(not missing, f"{kind} {release} exports no {missing}, so an alert fires")
    families = await read_families(mixed.gateways["now"]) | await read_families(mixed.admins["now"])
    missing = alerted() - families
    mixed.bench.require(not missing, f"beside the release before, nobody exports {missing}")


async def read_families(process: Process) -> set[str]:
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{process.ports['health']}/metrics")).text
    return set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))


def alerted() -> set[str]:
    """Return the metrics of csms that the alerts name, without the ends of histograms."""
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    named = {name for group in groups for rule in group["rules"] for name in read_names(rule["expr"]).metrics}
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in named if name.startswith("csms_")}


async def exchange(mixed: Mixed, restart: Restart) -> None:
    await exchange_commands(mixed)
    await exchange_waiting_commands(mixed)
    await exchange_batches(mixed, restart)
    await exchange_transactions(mixed)
    await exchange_refusals(mixed)
    await require_metrics(mixed)
    await require_same(mixed, "/charge-points", prefix="later-")
    await require_same(mixed, "/batches")
    await require_same(mixed, "/refusals")
