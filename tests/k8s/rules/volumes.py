"""The volume of the archive: durable, and shared by all admin processes."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from admin.config import AdminConfig
from tests.k8s.rules.objects import Object, Objects, Pod, name_of, namespace_of, of_kind
from tests.k8s.rules.product import processes


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
