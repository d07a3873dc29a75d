"""Running processes export the metrics that docs/metrics.md lists, with the same labels.

The page and tests/k8s/test_alerts.py (alerts, dashboards) read the registries of processes that do not run.
"""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import httpx
import trio
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from docs.metrics_reference import registries
from tests.support.charge_point_peer import charge_point, now
from tests.support.waiting import until
from tests.system.central import Central, Process, Tenant


class Family(NamedTuple):
    type: str
    labels: frozenset[str]


def read(families: Iterable[Metric]) -> dict[str, Family]:
    """Return our metrics with their labels, which a metric without a value has only if it declares them."""
    found = {}
    for family in families:
        if family.name.startswith("csms"):
            labels = {name for sample in family.samples for name in sample.labels}
            labels.update(getattr(family, "_labelnames", ()))
            found[family.name] = Family(family.type, frozenset(labels - {"le"}))
    return found


async def be_busy(tenant: Tenant, gateway: Process, admin: Process) -> None:
    """Cause a transaction, a refused call and handshake, a fault, and a command that is answered."""
    async with tenant.api(admin) as api, charge_point(tenant.url(gateway, "cp")) as cp:
        await cp.call("BootNotification", {"chargePointVendor": "ACME", "chargePointModel": "T1"})
        started = await cp.start()
        values = [{"timestamp": now(), "sampledValue": [{"value": "5"}]}]
        number = started["transactionId"]
        await cp.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": values})
        await cp.call("Heartbeat", {"surplus": 1})
        sent = await api.post("/charge-points/cp/commands/ClearCache", json={})
        assert sent.status_code == 200, sent.text
    async with httpx.AsyncClient(verify=False) as client:
        assert (await client.get(f"http://127.0.0.1:{gateway.ports['ws']}/")).status_code != 200


WITHOUT_VALUES = {
    "csms_calls_refused",
    "csms_certificate_authority_not_after_seconds",
    "csms_tls_certificate_not_after_seconds",
}
"""Metrics with labels but without a value: here the store fails no call, and no process has a certificate."""


async def test_running_processes_export_the_metrics_of_the_page_and_every_metric_gets_its_labels(
    central: Central,
) -> None:
    tenant = central.tenant()
    with trio.fail_after(240):
        async with central.gateway() as gateway, central.second_admin(central.valkey.url) as admin:
            await be_busy(tenant, gateway, admin)
            for process, registry in zip((gateway, admin), registries(), strict=True):
                expected = read(registry.collect())
                for name in WITHOUT_VALUES & expected.keys():
                    expected[name] = expected[name]._replace(labels=frozenset())
                differing: dict[str, object] = {}
                with suppress(trio.TooSlowError):  # The comparison shows more than this error.
                    await until(partial(agrees, process, expected, differing), every_s=0.2)
                assert differing == {}


async def agrees(process: Process, expected: dict[str, Family], differing: dict[str, object]) -> bool:
    """Scrape and note what differs. Some values come with the next turn of a periodic task."""
    async with httpx.AsyncClient(verify=False) as client:
        text = (await client.get(f"http://127.0.0.1:{process.ports['health']}/metrics")).text
    found = read(text_string_to_metric_families(text))
    differing.clear()
    for name in found.keys() | expected.keys():
        if found.get(name) != expected.get(name):
            differing[name] = found.get(name), expected.get(name)
    return not differing
