"""The page of metrics, and the alerts as the Prometheus operator wants them."""

from functools import partial
from pathlib import Path
from textwrap import indent
from typing import cast

import trio
from prometheus_client.core import Metric
from prometheus_client.registry import CollectorRegistry

from admin.archive.task import Archiving
from admin.backup_age import BackupAge
from admin.batches.task import Batches
from admin.config import ArchiveConfig, PackingConfig, RetentionConfig
from admin.downloads import Downloads
from admin.inbox import Inbox
from admin.nodes import Nodes
from admin.pki.expiry import Expiry
from admin.pki.signing import Signing
from admin.process import readings
from admin.retention.packing import Packing
from admin.retention.policies import Policies
from admin.services import Services
from admin.troubles import Examining
from docs.markdown import make_page, make_table
from gateway.config import GatewayConfig, SecurityConfig
from gateway.hub import Hub
from gateway.metrics import registry
from gateway.node import Node
from gateway.service.metrics import LoopLag, build, new_registry
from gateway.service.store_metrics import store_readings
from gateway.tls_edge import TlsEdge
from gateway.websocket.handshakes import Handshakes
from gateway.websocket.stats import Stats
from state.events.feed import Feed
from state.store import Store, StoreConfig

MONITORING = Path(__file__).parent.parent / "k8s" / "components" / "monitoring"


def registries() -> tuple[CollectorRegistry, CollectorRegistry]:
    """Make the registries of a gateway and of an admin process that do not run, to read their metrics."""
    config = GatewayConfig(
        store=StoreConfig(url="redis://localhost"), security=SecurityConfig(pepper="x" * 32)
    )
    store = Store(config.store)
    nobody = cast("trio.Nursery", None)  # Nothing runs here: only the names of the metrics are read.
    node = Node(config, store, b"", nobody)
    lag = LoopLag()
    gateway = registry(node, Hub(), Stats(), Handshakes(), lag, edge=TlsEdge(config, node.revocations))
    services = Services(
        store,
        b"",
        Inbox(store, "admin"),
        Nodes(store, ""),
        Feed(store, nobody),
        0,
        Signing(store, ""),
        Downloads(1),
    )
    admin = new_registry(
        partial(build, "", 0),
        lag.readings,
        partial(store_readings, store),
        partial(readings, services, Expiry(store)),
        services.downloads.readings,
        Archiving(store, "", ArchiveConfig(), RetentionConfig()).readings,
        Packing(store, "", PackingConfig()).readings,
        Policies(store, "").readings,
        Examining(store, "").readings,
        BackupAge(store).readings,
        Batches(services).readings,
    )
    return gateway, admin


def metrics() -> str:
    gateway, admin = registries()
    return make_page(
        "Metrics",
        """Each process serves its metrics at `/metrics` of `listen.health_host` and `listen.health_port`, in
        the text format of Prometheus. Scrape every process, because each process counts only for itself. In
        the names below, the labels are in braces. A value of a label appears at `/metrics` only after it was
        counted once. A histogram has the series `_bucket`, `_sum` and `_count`. The processes also export the
        usual metrics of Python's Prometheus client: `process_*` and `python_*`.

        No label holds the id of a charge point. `csms_tenant_sessions` names the 50 largest tenants of a
        process. [Operating csms](operations.md#alerts-and-dashboards) has alerts and dashboards.
        """,
        "## Gateway\n",
        _metrics_of(gateway),
        "## Admin\n",
        _metrics_of(admin),
    )


def _metrics_of(found: CollectorRegistry) -> str:
    def name(metric: Metric) -> str:
        labels = ",".join(getattr(metric, "_labelnames", ()))
        total = "_total" if metric.type == "counter" else ""
        return f"`{metric.name}{total}{f'{{{labels}}}' if labels else ''}`"

    return make_table(
        ("Name", "Type", "Meaning"),
        sorted(
            (name(metric), metric.type, metric.documentation)
            for metric in found.collect()
            if metric.name.startswith("csms")
        ),
    )


_RULE = """\
# `make docs` makes this file from alerts.yaml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: csms
  labels:
    app.kubernetes.io/name: csms
spec:
"""


def prometheus_rule() -> str:
    """Wrap the rules file of Prometheus for the Prometheus operator."""
    _, groups = (MONITORING / "alerts.yaml").read_text().split("\ngroups:\n")
    return f"{_RULE}{indent(f'groups:\n{groups}', '  ')}"
