"""Plays a rolling update under a fleet, and compares what was answered with what csms has stored."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import trio

from admin.cli.development_ca import ensure_development_ca
from tests.k8s.rolling_update import fleet as fleets
from tests.k8s.rolling_update import records
from tests.k8s.rolling_update.deployment import Deployment, Secrets
from tests.k8s.rolling_update.fleet import ChargePoint
from tests.k8s.rolling_update.manifest import Manifest
from tests.k8s.rolling_update.pod import Pod
from tests.k8s.rolling_update.service import Service
from tests.system.central import PEPPER, Central, Tenant, central_system

CONNECT_PER_S = 50


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`propagation_s` and `latency_s` are those of the Service."""

    charge_points: int
    propagation_s: float
    latency_s: float
    around_s: float
    """Seconds of charging before and after the update."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What happened. An update that went well has no `problems`."""

    began_at: float
    took_s: float
    pods: list[Pod]
    fleet: list[ChargePoint]
    stored: int
    unserved: int
    problems: list[str]


def play(manifest: Manifest, options: Options, directory: Path) -> Outcome:
    """Play the update with a Valkey, an admin process and gateways below `directory`. Blocks."""
    with central_system(directory) as central:
        return trio.run(_play, manifest, options, central)


async def _play(manifest: Manifest, options: Options, central: Central) -> Outcome:
    tenant = central.tenant()
    ca = ensure_development_ca(central.directory / "ca")
    tls = ssl.create_default_context(cafile=str(ca.ca_file))
    secrets: Secrets = {
        "csms": {"pepper": PEPPER.encode(), "store-url": central.valkey.url.encode()},
        **{
            f"csms-tls-{kind}": {"tls.crt": chain.read_bytes(), "tls.key": key.read_bytes()}
            for kind, (chain, key) in (("ecdsa", ca.ecdsa), ("rsa", ca.rsa))
        },
    }
    fleet = [ChargePoint(f"BAY-{number}") for number in range(options.charge_points)]
    async with tenant.api() as api, trio.open_nursery() as nursery:
        (await api.put(f"/id-tags/{fleets.ID_TAG}", json={})).raise_for_status()
        service = Service(nursery, options.propagation_s, options.latency_s)
        await service.start()
        deployment = Deployment(manifest, service, secrets, central.directory, nursery)
        await deployment.start()
        async with trio.open_nursery() as charging:
            for charge_point in fleet:
                charging.start_soon(charge_point.live, _address(tenant, service), tls)
                await trio.sleep(1 / CONNECT_PER_S)
            await trio.sleep(options.around_s)
            began = trio.current_time()
            await deployment.roll_out()
            took_s = trio.current_time() - began
            await trio.sleep(options.around_s)
            for charge_point in fleet:
                charge_point.leaving = True
        await deployment.stop()
        problems = [
            *_find_wrong_ends(deployment.pods),
            *_find_wrong_moves(fleet, service),
            *await _find_wrong_records(fleet, api),
        ]
        nursery.cancel_scope.cancel()
    return Outcome(
        began_at=began,
        took_s=took_s,
        pods=deployment.pods,
        fleet=fleet,
        stored=sum(len(charge_point.facts) for charge_point in fleet),
        unserved=service.unserved,
        problems=problems,
    )


def _find_wrong_ends(pods: list[Pod]) -> Iterator[str]:
    for pod in pods:
        if pod.killed_because is not None:
            yield f"{pod.name} was killed: {pod.killed_because}"
        elif pod.exit_code != 0:
            yield f"{pod.name} ended with exit code {pod.exit_code}"


def _find_wrong_moves(fleet: list[ChargePoint], service: Service) -> Iterator[str]:
    for charge_point in fleet:
        moves = len(charge_point.connected_at) - 1
        if moves != 1:
            yield f"{charge_point.id} was moved {moves} times, by the close codes {charge_point.closed}"
        for error in charge_point.errors:
            yield f"{charge_point.id} could not connect: {error}"
    if service.unserved:
        yield f"no pod accepted {service.unserved} connections"


async def _find_wrong_records(fleet: list[ChargePoint], api: httpx.AsyncClient) -> list[str]:
    answered, stored = fleets.count(fleet), await records.read(api)
    return [
        *(f"{fact} was answered and is not stored" for fact in answered - stored),
        *(f"{fact} is stored too often" for fact in stored - answered),
    ]


def _address(tenant: Tenant, service: Service) -> fleets.Url:
    path = f"/OCPP16/{tenant.id}/{tenant.token}"
    return lambda charge_point: f"wss://127.0.0.1:{service.port}{path}/{charge_point}"
