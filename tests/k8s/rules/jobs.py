"""Jobs: a load test in parts."""

from collections.abc import Iterator

from tests.k8s.rules.objects import Objects, containers, pods

_HOST = "kubernetes.io/hostname"


def parts_of_a_load_test_are_all_there(objects: Objects) -> Iterator[str]:
    for pod, container, words in containers(objects):
        if pod.owner["kind"] != "Job":
            continue
        spec = pod.owner["spec"]
        if spec.get("completionMode") != "Indexed":
            yield f"{pod.title}: completionMode must be Indexed, or no pod knows its part"
        variables = {one["name"]: one.get("value") for one in container.get("env", [])}
        parts = {str(spec.get(name)) for name in ("completions", "parallelism")} | {variables.get("PARTS")}
        if len(parts) != 1:
            yield (
                f"{words}: completions is {spec.get('completions')}, parallelism is "
                f"{spec.get('parallelism')}, and PARTS is {variables.get('PARTS')}; all must be the same, "
                "because all parts run at the same time"
            )


def parts_of_a_load_test_are_on_several_nodes(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        keys = {one["topologyKey"] for one in pod.spec.get("topologySpreadConstraints", [])}
        if pod.owner["kind"] == "Job" and _HOST not in keys:
            yield f"{pod.title}: no topologySpreadConstraint has topologyKey {_HOST}; parts would share cores"
