"""The rendered manifests against the schemas of each version of Kubernetes."""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.k8s.broken.breaking import DROP, POD, TEMPLATE, Break
from tests.k8s.rendered import KUSTOMIZATIONS, TOOLS, objects
from tests.k8s.rules.custom import schema_of
from tests.k8s.rules.objects import Objects

VALIDATE = TOOLS / "kubernetes-validate"
VERSIONS = ("1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
_NO_SCHEMA = re.compile(r"Couldn't find schema for kind (\S+) with api version (\S+)")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not VALIDATE.exists(), reason="kubernetes-validate is not installed; make k8s-check installs it"
    ),
]

BREAKS = [
    Break("a field does not exist", "prod", "Deployment gateway",
          ("spec", "strategy", "rollingUpdate", "maxSurgee"), 1, "deployment/gateway",
          "spec.strategy.rollingUpdate: Additional properties are not allowed ('maxSurgee' was unexpected)"),
    Break("a number is a text", "base", "StatefulSet valkey",
          (*POD, "terminationGracePeriodSeconds"), "60", "statefulset/valkey",
          "spec.template.spec.terminationGracePeriodSeconds: '60' is not of type 'integer', 'null'"),
    Break("a field that must be there is missing", "base", "Deployment admin",
          ("spec", "selector"), DROP, "deployment/admin", "spec: 'selector' is a required property"),
    Break("a list is an object", "dev", "NetworkPolicy to-dns",
          ("spec", "egress"), {"to": []}, "networkpolicy/to-dns",
          "spec.egress: {'to': []} is not of type 'array', 'null'"),
    Break("the template of a Job has no pod", "loadtest", "Job loadtest",
          (*TEMPLATE, "spec"), {"restartPolicy": "Never"}, "job/loadtest",
          "spec.template.spec: 'containers' is a required property"),
    Break("an API is no longer served", "prod", "PodDisruptionBudget gateway",
          ("apiVersion",), "policy/v1beta1", "PodDisruptionBudget", "policy/v1beta1 has no schema"),
]  # fmt: skip


def faults(things: Objects, version: str) -> Iterator[tuple[str, str]]:
    """Yield each object that the tool refuses, and why.

    The tool only warns of a kind that it does not know, so that is a fault here unless we have a schema.
    """
    done = subprocess.run(
        [VALIDATE, "--strict", "-k", version, "/dev/stdin"],
        input="\n---\n".join(map(json.dumps, things)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    lines = (done.stdout + done.stderr).splitlines()
    passed = sum(line.startswith("INFO") for line in lines)
    for line in lines:
        if unknown := _NO_SCHEMA.search(line):
            if not schema_of(kind=unknown[1], api_version=unknown[2]).exists():
                yield unknown[1], f"{unknown[2]} has no schema"
            passed += 1
        elif not line.startswith("INFO"):
            name, _, why = line.partition("did not validate for resource ")[2].partition(" against version ")
            yield name, why.partition(": ")[2] or line
            passed += 1
    assert passed == len(things), done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_each_version_of_kubernetes_takes_the_manifests(name: str, version: str) -> None:
    assert list(faults(objects(name), version)) == []


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.words)
def test_kubernetes_refuses_a_broken_manifest(broken: Break, version: str) -> None:
    rendered = objects(broken.render)
    broken.apply(rendered)
    assert list(faults(rendered, version)) == [(broken.rule, broken.sentence)]
