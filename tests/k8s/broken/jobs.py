"""The load test in parts, and the volume of the archive."""

from tests.k8s.broken.breaking import ADMIN, BOX, DROP, JOB, POD, Break


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


def _of_volumes() -> list[Break]:
    return [
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
    ]  # fmt: skip


BREAKS = [*_of_the_load_test(), *_of_volumes()]
