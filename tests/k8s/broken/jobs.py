"""The load test in parts, the backup, and the volumes of the backup and of the archive."""

from tests.k8s.broken.breaking import (
    ADMIN,
    BACKUP,
    BOX,
    DROP,
    JOB,
    NESTED_BOX,
    NESTED_POD,
    POD,
    VALKEY,
    Break,
)

_TO_THE_STORE = "affinity", "podAffinity", "requiredDuringSchedulingIgnoredDuringExecution", 0


def _of_the_load_test() -> list[Break]:
    return [
        Break("the parts run one after the other", "loadtest", JOB,
              ("spec", "parallelism"), 1,
              "parts_of_a_load_test_are_all_there",
              "Job loadtest: container loadtest: completions is 2, parallelism is 1, and PARTS is 2; all "
              "must be the same, because all parts run at the same time"),
        Break("the fleet has more parts than pods", "loadtest", JOB,
              (*BOX, "env", 0, "value"), "3",
              "parts_of_a_load_test_are_all_there",
              "Job loadtest: container loadtest: completions is 2, parallelism is 2, and PARTS is 3; all "
              "must be the same, because all parts run at the same time"),
        Break("no pod knows its part", "loadtest", JOB,
              ("spec", "completionMode"), DROP,
              "parts_of_a_load_test_are_all_there",
              "Job loadtest: completionMode must be Indexed, or no pod knows its part"),
        Break("all parts are on one node", "loadtest", JOB,
              (*POD, "topologySpreadConstraints"), DROP,
              "parts_of_a_load_test_are_on_several_nodes",
              "Job loadtest: no topologySpreadConstraint has topologyKey kubernetes.io/hostname; parts would "
              "share cores"),
    ]  # fmt: skip


def _by_the_clock() -> list[Break]:
    spec = ("spec", "jobTemplate", "spec")
    return [
        Break("two backups run at the same time", "backup", BACKUP,
              ("spec", "concurrencyPolicy"), DROP,
              "jobs_by_the_clock_end_before_the_next",
              "CronJob backup: concurrencyPolicy is Allow; it must be Forbid"),
        Break("a cluster that was away starts no backup any more", "backup", BACKUP,
              ("spec", "startingDeadlineSeconds"), DROP,
              "jobs_by_the_clock_end_before_the_next",
              "CronJob backup: startingDeadlineSeconds is missing; after 100 missed runs, none starts"),
        Break("the backup is switched off", "backup", BACKUP,
              ("spec", "suspend"), True,
              "jobs_by_the_clock_end_before_the_next",
              "CronJob backup: suspend is true; it would never run"),
        Break("a backup that hangs is never ended", "backup", BACKUP,
              (*spec, "activeDeadlineSeconds"), DROP,
              "jobs_by_the_clock_end_before_the_next",
              "CronJob backup: activeDeadlineSeconds is None; it must be less than an hour, or a run that "
              "hangs keeps out the next ones"),
        Break("a backup that fails is tried again for hours", "backup", BACKUP,
              (*spec, "backoffLimit"), DROP,
              "jobs_by_the_clock_end_before_the_next",
              "CronJob backup: backoffLimit is 6; it must be at most 3"),
        Break("the pod of a backup is restarted in place", "backup", BACKUP,
              (*NESTED_POD, "restartPolicy"), "OnFailure",
              "restart_policies_fit_the_kind",
              "CronJob backup: restartPolicy is OnFailure; it must be Never"),
    ]  # fmt: skip


def _of_volumes() -> list[Break]:
    return [
        Break("a backup may write to the store", "backup", BACKUP,
              (*NESTED_POD, "volumes", 2, "persistentVolumeClaim", "readOnly"), DROP,
              "backups_read_the_volume_of_the_store",
              "CronJob backup: the claim data-valkey-0 of the store must be readOnly"),
        Break("a backup waits on another node than the store", "backup", BACKUP,
              (*NESTED_POD, *_TO_THE_STORE, "topologyKey"), "topology.kubernetes.io/zone",
              "backups_read_the_volume_of_the_store",
              "CronJob backup: no podAffinity requires the node of StatefulSet valkey; only pods of one node "
              "share a ReadWriteOnce volume"),
        Break("a backup takes the files of the store away from its group", "backup", BACKUP,
              (*NESTED_POD, "securityContext", "fsGroup"), 10001,
              "backups_read_the_volume_of_the_store",
              "CronJob backup: it runs as {'runAsUser': 10002, 'runAsGroup': 10002, 'fsGroup': 10001}, and "
              "StatefulSet valkey as {'runAsUser': 10002, 'runAsGroup': 10002, 'fsGroup': 10002}; they must "
              "be the same, or the files of the store get another group"),
        Break("only one pod may read the store", "backup", VALKEY,
              ("spec", "volumeClaimTemplates", 0, "spec", "accessModes"), ["ReadWriteOncePod"],
              "backups_read_the_volume_of_the_store",
              "StatefulSet valkey: the claim data is ReadWriteOncePod; no backup can read it"),
        Break("a backup goes with its pod", "backup", BACKUP,
              (*NESTED_POD, "volumes", 3), {"name": "backups", "emptyDir": {}},
              "backups_are_on_a_volume_of_their_own",
              "CronJob backup: container backup: /backups is not a writable mount of a claim that is "
              "rendered; a backup would be gone with its pod"),
        Break("a backup is beside the data of the store", "backup", BACKUP,
              (*NESTED_BOX, "args", 3), "/data",
              "backups_are_on_a_volume_of_their_own",
              "CronJob backup: container backup: /data is not a writable mount of a claim that is "
              "rendered; a backup would be gone with its pod"),
        Break("a volume is a claim that nobody makes", "backup", BACKUP,
              (*NESTED_POD, "volumes", 2, "persistentVolumeClaim", "claimName"), "data-valkey-1",
              "volumes_and_mounts_fit",
              "CronJob backup: there is no PersistentVolumeClaim data-valkey-1; name one that is rendered"),
        Break("the archive goes with its pod", "archive", ADMIN,
              (*POD, "volumes", 0), {"name": "archive", "emptyDir": {}},
              "the_archive_is_on_a_volume_of_all_admin_processes",
              "Deployment admin: container admin: archive.directory is not directly below a writable mount "
              "of a claim; transactions would leave the store for files that are gone with the pod"),
        Break("only one node can mount the archive", "archive", "PersistentVolumeClaim archive",
              ("spec", "accessModes"), ["ReadWriteOnce"],
              "the_archive_is_on_a_volume_of_all_admin_processes",
              "Deployment admin: container admin: the claim archive has accessModes ReadWriteOnce; it must "
              "be ReadWriteMany, because the admin processes are on several nodes"),
        Break("the store does not let the backup in", "backup", "NetworkPolicy valkey",
              ("spec", "ingress", 0, "from", 0, "podSelector", "matchExpressions", 0, "values", 2), DROP,
              "parts_reach_each_other",
              "StatefulSet valkey: no network policy allows its Ingress between backup and port valkey of "
              "valkey; add a rule"),
    ]  # fmt: skip


BREAKS = [*_of_the_load_test(), *_by_the_clock(), *_of_volumes()]
