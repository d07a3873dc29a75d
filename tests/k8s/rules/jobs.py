"""Jobs: a load test in parts, and jobs by the clock."""

from collections.abc import Iterator

from tests.k8s.rules.objects import Object, Objects, containers, of_kind, pods, title

_HOST = "kubernetes.io/hostname"
_HOUR_S = 3600
_MOST_RETRIES = 3


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


def jobs_by_the_clock_end_before_the_next(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, "CronJob"):
        spec = thing["spec"]
        if (policy := spec.get("concurrencyPolicy", "Allow")) != "Forbid":
            yield f"{title(thing)}: concurrencyPolicy is {policy}; it must be Forbid"
        if "startingDeadlineSeconds" not in spec:
            yield f"{title(thing)}: startingDeadlineSeconds is missing; after 100 missed runs, none starts"
        if spec.get("suspend"):
            yield f"{title(thing)}: suspend is true; it would never run"
        yield from _bound(thing, spec["jobTemplate"]["spec"])


def _bound(thing: Object, job: Object) -> Iterator[str]:
    most_s = job.get("activeDeadlineSeconds")
    if most_s is None or most_s >= _HOUR_S:
        yield (
            f"{title(thing)}: activeDeadlineSeconds is {most_s}; it must be less than an hour, "
            "or a run that hangs keeps out the next ones"
        )
    if (retries := job.get("backoffLimit", 6)) > _MOST_RETRIES:
        yield f"{title(thing)}: backoffLimit is {retries}; it must be at most {_MOST_RETRIES}"
