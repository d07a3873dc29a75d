"""The alerts, dashboards and runbooks name only what csms exports, and each alert fires when it should."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml  # type: ignore[import-untyped]  # as in rendered.py

from docs.metrics_reference import MONITORING, registries
from tests.k8s.promql import read_names
from tests.k8s.rendered import ROOT

RULES = MONITORING / "alerts.yaml"
TESTS = Path(__file__).with_name("alert_tests.yaml")
DASHBOARDS = sorted((MONITORING / "dashboards").glob("*.json"))
RUNBOOKS = ROOT / "k8s" / "runbooks"
SINGLE_MACHINE = ROOT / "k8s" / "single-machine"
OF_TARGETS = {"job", "instance", "namespace", "pod"}
"""Labels that Prometheus adds to every series of a process."""
OF_OTHERS = {
    "up": set[str](),
    "ALERTS": {"alertname", "alertstate"},
    "kubelet_volume_stats_used_bytes": {"persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"persistentvolumeclaim"},
}
"""Metrics of Prometheus itself and of the kubelet."""
OF_THE_SYSTEM = re.compile(
    r"csms_(store_(headroom|memory_\w+_bytes|persistence_failures|replicas|delayed_fsyncs_total)"
    r"|open_transactions|oldest_open_transaction_seconds|archive_lag_seconds|packing_backlog_seconds"
    r"|certificates_expiring)\b"
)
"""Values that each process reports of the same thing."""
_ENDS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}

promtool = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    promtool is None, reason="promtool is missing; it is in Debian's package prometheus (make debian-tools)"
)


class Expression(NamedTuple):
    """`place` says where it is. `labels` are those that a legend or a text shows."""

    place: str
    text: str
    labels: set[str]


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def expressions() -> Iterator[Expression]:
    for rule in rules():
        shown = set(re.findall(r"\$labels\.(\w+)", str(rule.get("annotations"))))
        yield Expression(rule.get("alert") or rule["record"], rule["expr"], shown)
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        for annotation in board["annotations"]["list"]:
            yield Expression(path.name, annotation["expr"], set())
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                yield Expression(f"{path.name}: {panel['title']}", target["expr"], legend)


ALL = list(expressions())


@cache
def exported() -> dict[str, set[str]]:
    """Return the labels of each series of a gateway or admin process, of a recording rule, and of others."""
    series = dict(OF_OTHERS)
    for metric in (metric for registry in registries() for metric in registry.collect()):
        labels = set(getattr(metric, "_labelnames", ()))
        labels.update(*(sample.labels for sample in metric.samples))
        for end in _ENDS.get(metric.type, ("",)):
            series[metric.name + end] = labels | {"le"} if end == "_bucket" else labels
    for rule in rules():
        if "record" in rule:
            series[rule["record"]] = read_names(rule["expr"]).groups
    return series


@pytest.mark.parametrize("expression", ALL, ids=lambda one: one.place)
def test_an_alert_or_a_panel_names_only_metrics_and_labels_that_exist(expression: Expression) -> None:
    found = read_names(expression.text)
    assert found.metrics
    assert found.metrics.keys() <= exported().keys()
    for name, labels in found.metrics.items():
        assert labels <= exported()[name] | OF_TARGETS, name
    known = OF_TARGETS.union(*(exported()[name] for name in found.metrics))
    assert found.groups | expression.labels <= known


@pytest.mark.parametrize(
    "expression", [one for one in ALL if OF_THE_SYSTEM.search(one.text)], ids=lambda one: one.place
)
def test_a_value_that_every_process_reports_is_taken_by_max(expression: Expression) -> None:
    largest = re.compile(r"max(?: by \([^)]*\))? ?\((?:rate\()?" + OF_THE_SYSTEM.pattern)
    assert len(largest.findall(expression.text)) == len(OF_THE_SYSTEM.findall(expression.text))


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_how_urgent_it_is_and_has_a_runbook(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"k8s/runbooks/{alert['alert']}.md"


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize("name", sorted({alert["alert"] for alert in alerts()}))
def test_a_runbook_says_what_an_alert_means_how_to_see_it_and_what_to_do(name: str) -> None:
    page = (RUNBOOKS / f"{name}.md").read_text()
    assert page.startswith(f"# {name}\n")
    assert re.findall(r"^## (.*)", page, re.MULTILINE) == ["What it means", "How to see it", "What to do"]
    seeing = page.partition("## How to see it\n")[2].partition("## What to do\n")[0]
    assert re.search(r"^```sh\n.+?^```\n```output\n.+?^```\n", seeing, re.MULTILINE | re.DOTALL)
    assert re.search(rf"^\| \[{name}\]\({name}\.md\) \|", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)


def test_each_alert_is_tested_with_values_for_which_it_fires_and_with_others() -> None:
    tested = [one for case in yaml.safe_load(TESTS.read_text())["tests"] for one in case["alert_rule_test"]]
    firing = {
        (one["alertname"], expected["exp_labels"]["severity"])
        for one in tested
        for expected in one["exp_alerts"]
    }
    silent = {one["alertname"] for one in tested if not one["exp_alerts"]}
    assert firing == {(alert["alert"], alert["labels"]["severity"]) for alert in alerts()}
    assert silent == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_loaded_as_it_is(path: Path) -> None:
    board = json.loads(path.read_text())
    assert board["uid"] == path.stem
    assert board["title"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
    assert len(set(places)) == len(places)
    variables = {one["name"] for one in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", path.read_text())) - {"__rate_interval", "__all"}
    assert used == variables


def test_the_kustomization_has_all_dashboards() -> None:
    maker = yaml.safe_load((MONITORING / "kustomization.yaml").read_text())["configMapGenerator"]
    assert [one["files"] for one in maker] == [[f"dashboards/{path.name}" for path in DASHBOARDS]]


def test_prometheus_on_one_machine_reads_the_health_ports_of_all_processes() -> None:
    config = yaml.safe_load((SINGLE_MACHINE / "prometheus.yaml").read_text())
    targets = {
        (job["job_name"], target)
        for job in config["scrape_configs"]
        for one in job["static_configs"]
        for target in one["targets"]
    }
    services = yaml.safe_load((SINGLE_MACHINE / "compose.yaml").read_text())["services"]
    assert targets == {
        (f"csms-{one['command'][0]}", f"127.0.0.1:{one['environment']['CSMS__LISTEN__HEALTH_PORT']}")
        for one in services.values()
        if "CSMS__LISTEN__HEALTH_PORT" in one.get("environment", {})
    }


def run_promtool(*arguments: str | Path) -> str:
    assert promtool is not None
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_promtool_takes_the_rules() -> None:
    assert f"{len(rules())} rules found" in run_promtool("check", "rules", RULES)


@needs_promtool
def test_each_alert_fires_and_stays_silent_as_its_tests_say() -> None:
    assert "SUCCESS" in run_promtool("test", "rules", TESTS)


@needs_promtool
def test_promtool_takes_each_expression_of_the_dashboards(tmp_path: Path) -> None:
    panels = [one.text for one in ALL if ".json" in one.place]
    found = [text.replace("$__rate_interval", "5m") for text in panels]
    wrapped = [{"record": f"dashboards:{number}", "expr": text} for number, text in enumerate(found)]
    file = tmp_path / "dashboards.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": wrapped}]}))
    assert f"{len(found)} rules found" in run_promtool("check", "rules", file)


@needs_promtool
@pytest.mark.parametrize("path", [MONITORING / "prometheus.yaml", SINGLE_MACHINE / "prometheus.yaml"])
def test_promtool_takes_the_scrape_configuration(path: Path, tmp_path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    config["rule_files"] = [str(path.parent / name) for name in config["rule_files"]]
    for job in config["scrape_configs"]:
        # Debian builds Prometheus without its support of Kubernetes.
        assert job.pop("kubernetes_sd_configs", None) in (None, [{"role": "pod"}])
    file = tmp_path / "prometheus.yaml"
    file.write_text(yaml.safe_dump(config))
    assert f"{len(rules())} rules found" in run_promtool("check", "config", file)
