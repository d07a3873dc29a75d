"""Plays a rolling update and a scale-down under load, and counts what went wrong."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import trio

from admin.cli.development_ca import DevelopmentCa, ensure_development_ca
from state.store import StoreConfig, open_store
from tests.k8s.rolling_update import moves
from tests.k8s.rolling_update.deployment import Deployment, Secrets
from tests.k8s.rolling_update.load import Load, Target
from tests.k8s.rolling_update.manifest import Manifest
from tests.k8s.rolling_update.moves import Moves
from tests.k8s.rolling_update.pod import Pod
from tests.k8s.rolling_update.service import Service
from tests.system.central import PEPPER, Central, Tenant, central_system

MOST_ON_AVERAGE = 1.1


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`propagation_s` and `latency_s` are those of the Service."""

    propagation_s: float
    latency_s: float
    between_s: float
    """Seconds of charging between the update and the scale-down."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What happened. A play that went well has no `problems`."""

    update: Moves
    scale_down: Moves
    pods: list[Pod]
    unserved: int
    problems: list[str]


def play(manifest: Manifest, load: Load, options: Options, directory: Path) -> Outcome:
    """Play with a Valkey, an admin process and gateways below `directory`. Blocks."""
    with central_system(directory) as central:
        return trio.run(_play, manifest, load, options, central)


async def _play(manifest: Manifest, load: Load, options: Options, central: Central) -> Outcome:
    tenant = central.tenant()
    ca = ensure_development_ca(central.directory / "ca")
    done: list[Moves] = []
    async with tenant.api() as api, trio.open_nursery() as nursery:
        service = Service(nursery, options.propagation_s, options.latency_s)
        await service.start()
        deployment = Deployment(manifest, service, _secrets(central, ca), central.directory, nursery)
        await deployment.start()

        async def change() -> None:
            done.append(await _measure("update", deployment.roll_out, central, tenant))
            await trio.sleep(options.between_s)
            done.append(await _measure("scale-down", deployment.scale_down, central, tenant))

        directory = central.directory / "load"
        directory.mkdir()
        target = Target(port=service.port, tenant=tenant, ca_file=ca.ca_file, directory=directory)
        await load.run(target, change)
        await deployment.stop()
        update, scale_down = done
        problems = [
            *_find_wrong_ends(deployment.pods),
            *_find_wrong_moves(update, scale_down, service),
            *await load.find_problems(api),
        ]
        nursery.cancel_scope.cancel()
    return Outcome(
        update=update,
        scale_down=scale_down,
        pods=deployment.pods,
        unserved=service.unserved,
        problems=problems,
    )


def _secrets(central: Central, ca: DevelopmentCa) -> Secrets:
    return {
        "csms": {"pepper": PEPPER.encode(), "store-url": central.valkey.url.encode()},
        **{
            f"csms-tls-{kind}": {"tls.crt": chain.read_bytes(), "tls.key": key.read_bytes()}
            for kind, (chain, key) in (("ecdsa", ca.ecdsa), ("rsa", ca.rsa))
        },
    }


async def _measure(
    name: str, change: Callable[[], Awaitable[None]], central: Central, tenant: Tenant
) -> Moves:
    async with tenant.api() as api, open_store(StoreConfig(url=central.valkey.url)) as store:
        ids = await moves.list_ids(api)
        before = await moves.read_epochs(store, tenant.id, ids)
        began = trio.current_time()
        await change()
        took_s = trio.current_time() - began
        after = await moves.read_epochs(store, tenant.id, ids)
    return Moves(
        change=name,
        began_at=began,
        took_s=took_s,
        by_charge_point={id_: after[id_] - before[id_] for id_ in ids},
    )


def _find_wrong_ends(pods: list[Pod]) -> Iterator[str]:
    for pod in pods:
        if pod.killed_because is not None:
            yield f"{pod.name} was killed: {pod.killed_because}"
        elif pod.exit_code != 0:
            yield f"{pod.name} ended with exit code {pod.exit_code}"


def _find_wrong_moves(update: Moves, scale_down: Moves, service: Service) -> Iterator[str]:
    """In an update, all pods end. In a scale-down, one pod ends, so only its charge points move."""
    if update.average > MOST_ON_AVERAGE:
        yield f"the update moved each charge point {update.average:.2f} times on average: {update.counts}"
    for charge_point, count in update.by_charge_point.items():
        if count < 1:
            yield f"the update did not move {charge_point}, although its pod ended"
    for charge_point, count in scale_down.by_charge_point.items():
        if count > 1:
            yield f"the scale-down moved {charge_point} {count} times"
    if service.unserved:
        yield f"no pod accepted {service.unserved} connections"
