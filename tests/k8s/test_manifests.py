"""Rules over the rendered manifests, and broken manifests that each rule must find."""

import re

import pytest

from tests.k8s.broken import BREAKS
from tests.k8s.broken.breaking import Break
from tests.k8s.operator_secrets import SECRETS
from tests.k8s.rendered import KUSTOMIZATIONS, ROOT, find_kubectl, objects
from tests.k8s.rules import RULES, judge
from tests.k8s.rules.custom import is_custom
from tests.k8s.rules.objects import title

pytestmark = pytest.mark.skipif(
    find_kubectl() is None,
    reason="there is no kubectl to render the manifests with; run make k8s-check, which installs it",
)


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_no_rule_complains_about_the_manifests(name: str) -> None:
    assert judge(objects(name)) == {}


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.words)
def test_a_broken_manifest_fails_for_its_own_reason(broken: Break) -> None:
    rendered = objects(broken.render)
    broken.apply(rendered)
    found = judge(rendered)
    assert re.sub(r"(ConfigMap \w+)-\w{10}\b", r"\1", found[broken.rule][0]) == broken.sentence
    assert found.keys() == {broken.rule, *broken.others}


def test_each_rule_finds_a_broken_manifest() -> None:
    assert {broken.rule for broken in BREAKS} == RULES.keys()


@pytest.mark.parametrize(
    "annotations", [{}, {"service.beta.kubernetes.io/aws-load-balancer-proxy-protocol": "*"}]
)
def test_with_the_proxy_protocol_a_load_balancer_may_come_through_any_node(
    annotations: dict[str, str],
) -> None:
    rendered = objects("proxy-protocol")
    (service,) = (one for one in rendered if title(one) == "Service gateway")
    service["spec"]["externalTrafficPolicy"] = "Cluster"
    service["metadata"]["annotations"] = annotations
    assert judge(rendered) == {}


def test_the_base_needs_no_custom_resource() -> None:
    assert [title(thing) for thing in objects("base") if is_custom(thing["apiVersion"])] == []


def test_prod_keeps_its_gateways_and_admin_processes_in_three_zones() -> None:
    deployments = {title(one): one["spec"] for one in objects("prod") if one["kind"] == "Deployment"}
    for spec in deployments.values():
        (zones, _) = spec["template"]["spec"]["topologySpreadConstraints"]
        assert (zones["topologyKey"], zones["whenUnsatisfiable"]) == (
            "topology.kubernetes.io/zone",
            "DoNotSchedule",
        )
    (scaler,) = (one["spec"] for one in objects("prod") if one["kind"] == "HorizontalPodAutoscaler")
    assert (deployments["Deployment admin"]["replicas"], scaler["minReplicas"]) == (3, 3)


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_a_render_names_csms_with_the_version_of_the_project(name: str) -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    text = "\n".join(str(thing) for thing in objects(name))
    assert set(re.findall(r"'image': '(csms[^']*)'", text)) == {f"csms:{version[1]}"}


@pytest.mark.parametrize("name", SECRETS)
def test_the_readme_makes_each_secret(name: str) -> None:
    readme = (ROOT / "k8s" / "README.md").read_text()
    assert re.search(rf"create secret (generic|tls) {name}\b", readme)
