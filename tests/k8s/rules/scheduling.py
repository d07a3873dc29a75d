"""Pods start where and as the cluster means them to, and get no rights in it."""

from collections.abc import Iterator

from tests.k8s.rules.objects import Objects, names, of_kind, pods, title

_RIGHTS = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


def pods_go_where_the_scheduler_says(objects: Objects) -> Iterator[str]:
    classes = {name for _, name in names(objects, "PriorityClass")}
    for pod in pods(objects):
        if "nodeName" in pod.spec:
            yield f"{pod.title}: nodeName must be absent, or the pod dies with its node"
        wanted = str(pod.spec.get("nodeSelector", "")) + str(pod.spec.get("affinity", {}).get("nodeAffinity"))
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname"):
            if key in wanted:
                yield f"{pod.title}: it asks for a certain {key}; it must not, or it dies with that place"
        for toleration in pod.spec.get("tolerations", []):
            if "key" not in toleration:
                yield f"{pod.title}: a toleration names no key; the pod would stay on a lost node"
        name = pod.spec.get("priorityClassName")
        if name is not None and name not in classes:
            yield f"{pod.title}: there is no PriorityClass {name}; a render must hold the one that it names"


def pods_use_the_names_of_the_cluster(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        if pod.spec.get("dnsPolicy", "ClusterFirst") != "ClusterFirst" or "hostAliases" in pod.spec:
            yield f"{pod.title}: dnsPolicy must be ClusterFirst, and hostAliases absent"
        if pod.spec.get("enableServiceLinks") is not False:
            yield f"{pod.title}: enableServiceLinks must be false, or each Service adds variables to the pod"


def restart_policies_fit_the_kind(objects: Objects) -> Iterator[str]:
    for pod in pods(objects):
        policy = pod.spec.get("restartPolicy", "Always")
        wanted = "Never" if pod.owner["kind"] in {"Job", "CronJob"} else "Always"
        if policy != wanted:
            yield f"{pod.title}: restartPolicy is {policy}; it must be {wanted}"
    for thing in of_kind(objects, "Job"):
        if thing["spec"].get("backoffLimit", 6) != 0:
            yield f"{title(thing)}: backoffLimit must be 0, or a load that failed is repeated"


def nothing_gets_rights_in_the_cluster(objects: Objects) -> Iterator[str]:
    for thing in of_kind(objects, *_RIGHTS):
        yield f"{title(thing)}: csms asks the API of the cluster for nothing; remove it"
