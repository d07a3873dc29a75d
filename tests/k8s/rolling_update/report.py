"""The table of a rolling update and a scale-down."""

from collections.abc import Iterator

from tests.k8s.rolling_update.load import Load
from tests.k8s.rolling_update.manifest import Manifest
from tests.k8s.rolling_update.play import Outcome

_SHOWN = 20
"""Problems that are printed in full."""


def lines(manifest: Manifest, load: Load, outcome: Outcome) -> Iterator[str]:
    update, scale_down = outcome.update, outcome.scale_down
    yield (
        f"A rolling update of {manifest.replicas} gateways (maxSurge {manifest.max_surge}, maxUnavailable "
        f"{manifest.max_unavailable}, preStop {manifest.pre_stop_s:g} s, drain window "
        f"{manifest.drain_window_s:g} s, grace {manifest.grace_s:g} s) took {update.took_s:.1f} s."
    )
    yield (
        f"The scale-down to {manifest.replicas - 1} gateways began "
        f"{scale_down.began_at - update.began_at:.1f} s after the update, and took {scale_down.took_s:.1f} s."
    )
    yield ""
    yield "Seconds after the beginning of the update:"
    yield "pod       " + "".join(
        f"{name:>10}" for name in ("started", "ready", "deleted", "SIGTERM", "ended", "exit code")
    )
    for pod in outcome.pods:
        times = (pod.started_at, pod.ready_at, pod.deleted_at, pod.signalled_at, pod.ended_at)
        cells = (f"{'' if at is None else format(at - update.began_at, '.1f'):>10}" for at in times)
        yield f"{pod.name:10}{''.join(cells)}{pod.exit_code!s:>10}"
    yield ""
    rows: dict[str, object] = {"charge points": len(update.by_charge_point)}
    for moves in (update, scale_down):
        rows[f"reconnects per charge point, {moves.change}"] = f"{moves.average:.3f}"
        rows[f"charge points by reconnects, {moves.change}"] = moves.counts
    rows |= {
        "connections that no pod accepted": outcome.unserved,
        **load.describe(),
        "problems": len(outcome.problems),
    }
    for name, value in rows.items():
        yield f"{name:44}{value}"
    yield from outcome.problems[:_SHOWN]
