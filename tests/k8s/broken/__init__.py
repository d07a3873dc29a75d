"""Manifests that are broken on purpose: one change of a render each, and what must be said about it."""

from tests.k8s.broken import around_pods, jobs, network, pods, process, store

BREAKS = [
    *pods.BREAKS,
    *process.BREAKS,
    *around_pods.BREAKS,
    *store.BREAKS,
    *network.BREAKS,
    *jobs.BREAKS,
]
