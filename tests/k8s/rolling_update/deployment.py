"""The controller of a Deployment: it starts new pods and ends old pods within maxSurge and maxUnavailable."""

import math
import random
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import trio
import trio.lowlevel

from tests.k8s.rolling_update.manifest import Manifest
from tests.k8s.rolling_update.pod import STEP_S, Pod
from tests.k8s.rolling_update.service import Service
from tests.support.waiting import until

type Secrets = Mapping[str, dict[str, bytes]]


class Deployment:
    """`pods` has all pods that ever were. The pods of one revision have the same template."""

    def __init__(
        self, manifest: Manifest, service: Service, secrets: Secrets, directory: Path, nursery: trio.Nursery
    ) -> None:
        self.pods: list[Pod] = []
        self._manifest = manifest
        self._service = service
        self._secrets = dict(secrets)
        self._directory = directory
        self._nursery = nursery
        # Further runs on this machine use other addresses.
        self._network = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}"

    async def start(self) -> None:
        for _ in range(self._manifest.replicas):
            self._start_pod("old")
        await until(lambda: all(pod.available and self._service.serves(pod.address) for pod in self.pods))

    async def roll_out(self) -> None:
        """Replace all pods, and return when the old pods have ended."""
        old = list(self.pods)
        new: list[Pod] = []
        wanted, least = self._manifest.replicas, self._manifest.replicas - self._manifest.max_unavailable
        while not all(pod.available for pod in new) or any(pod.ended_at is None for pod in old) or not new:
            # Pods that are being deleted do not count.
            kept = [pod for pod in old if pod.deleted_at is None]
            while len(new) < wanted and len(kept) + len(new) < wanted + self._manifest.max_surge:
                new.append(self._start_pod("new"))
            unavailable = sum(not pod.available for pod in new)
            for pod in kept[: max(0, len(kept) + len(new) - least - unavailable)]:
                self._nursery.start_soon(pod.delete)
                await trio.lowlevel.checkpoint()
            await trio.sleep(STEP_S)

    async def scale_down(self) -> None:
        """End one pod, and return when it has ended. The controller chooses the pod that was ready last."""
        leaving = max((pod for pod in self.pods if pod.available), key=lambda pod: pod.ready_at or 0.0)
        self._nursery.start_soon(leaving.delete)
        await until(lambda: leaving.ended_at is not None, math.inf, every_s=STEP_S)

    async def stop(self) -> None:
        """End the pods that are left without preStop, because they have no connections any more."""
        async with trio.open_nursery() as nursery:
            for pod in self.pods:
                if pod.ended_at is None:
                    nursery.start_soon(partial(pod.delete, pre_stop=False))

    def _start_pod(self, revision: str) -> Pod:
        number = len(self.pods) + 1
        name = f"{revision}-{number}"
        pod = Pod(name, f"{self._network}.{number}", self._manifest, self._service, self._directory / name)
        pod.write_files(self._secrets)
        self.pods.append(pod)
        self._nursery.start_soon(pod.run)
        return pod
