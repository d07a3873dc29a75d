"""The volumes of the archive and of the backups: durable, and shared with the right pods."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from admin.config import AdminConfig
from tests.k8s.rules.objects import (
    Object,
    Objects,
    Pod,
    claims_of,
    matches,
    name_of,
    namespace_of,
    of_kind,
    pods,
)
from tests.k8s.rules.product import configured, processes

_HOST = "kubernetes.io/hostname"
_SHARED_FIELDS = ("runAsUser", "runAsGroup", "fsGroup")


def the_archive_is_on_a_volume_of_all_admin_processes(objects: Objects) -> Iterator[str]:
    for process in processes(objects):
        if not isinstance(process.config, AdminConfig) or process.config.archive.directory is None:
            continue
        above = str(PurePosixPath(process.config.archive.directory).parent)
        mount = next((one for path, one in _mounts(process.container).items() if above.endswith(path)), None)
        claim = None if mount is None else _claim_of(objects, process.pod, mount["name"])
        if mount is None or claim is None or mount.get("readOnly"):
            yield (
                f"{process.words}: archive.directory is not directly below a writable mount of a claim; "
                "transactions would leave the store for files that are gone with the pod"
            )
        elif claim["spec"]["accessModes"] != ["ReadWriteMany"]:
            yield (
                f"{process.words}: the claim {name_of(claim)} has accessModes "
                f"{', '.join(claim['spec']['accessModes'])}; it must be ReadWriteMany, because the admin "
                "processes are on several nodes"
            )


def backups_read_the_volume_of_the_store(objects: Objects) -> Iterator[str]:
    for pod, source, store in _backups(objects):
        if not source.get("readOnly"):
            yield f"{pod.title}: the claim {source['claimName']} of the store must be readOnly"
        wanted = pod.spec.get("affinity", {}).get("podAffinity", {})
        if not any(
            term["topologyKey"] == _HOST and matches(term["labelSelector"], store.labels)
            for term in wanted.get("requiredDuringSchedulingIgnoredDuringExecution", [])
        ):
            yield (
                f"{pod.title}: no podAffinity requires the node of {store.title}; only pods of one node "
                "share a ReadWriteOnce volume"
            )
        contexts = [one.spec.get("securityContext", {}) for one in (pod, store)]
        own, theirs = ({name: context.get(name) for name in _SHARED_FIELDS} for context in contexts)
        if own != theirs:
            yield (
                f"{pod.title}: it runs as {own}, and {store.title} as {theirs}; they must be the same, or "
                "the files of the store get another group"
            )
        for claim in store.owner["spec"]["volumeClaimTemplates"]:
            if "ReadWriteOncePod" in claim["spec"]["accessModes"]:
                yield f"{store.title}: the claim {name_of(claim)} is ReadWriteOncePod; no backup can read it"


def backups_are_on_a_volume_of_their_own(objects: Objects) -> Iterator[str]:
    for process in configured(objects):
        if process.kind != "backup":
            continue
        target = process.container["args"][3]
        mount = _mounts(process.container).get(target)
        if mount is None or mount.get("readOnly") or _claim_of(objects, process.pod, mount["name"]) is None:
            yield (
                f"{process.words}: {target} is not a writable mount of a claim that is rendered; "
                "a backup would be gone with its pod"
            )


def _backups(objects: Objects) -> Iterator[tuple[Pod, Object, Pod]]:
    """Yield each pod that mounts the claim of a store, the source of its volume, and the pod of the store."""
    for store in pods(objects):
        names = set(claims_of(store.owner))
        for pod in pods(objects):
            for volume in pod.spec.get("volumes", []):
                source = volume.get("persistentVolumeClaim", {})
                if pod.namespace == store.namespace and source.get("claimName") in names:
                    yield pod, source, store


def _mounts(container: Object) -> dict[str, Object]:
    return {mount["mountPath"]: mount for mount in container.get("volumeMounts", [])}


def _claim_of(objects: Objects, pod: Pod, volume_name: str) -> Object | None:
    """Return the rendered claim of a volume of a pod."""
    volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
    name = volumes.get(volume_name, {}).get("persistentVolumeClaim", {}).get("claimName")
    return next(
        (
            claim
            for claim in of_kind(objects, "PersistentVolumeClaim")
            if (namespace_of(claim), name_of(claim)) == (pod.namespace, name)
        ),
        None,
    )
