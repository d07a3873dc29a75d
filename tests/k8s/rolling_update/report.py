"""The table of a rolling update."""

from collections import Counter
from collections.abc import Iterator

from tests.k8s.rolling_update.manifest import Manifest
from tests.k8s.rolling_update.play import Outcome

_SHOWN = 20
"""Problems that are printed in full."""


def lines(manifest: Manifest, outcome: Outcome) -> Iterator[str]:
    yield (
        f"A rolling update of {manifest.replicas} gateways (maxSurge {manifest.max_surge}, maxUnavailable "
        f"{manifest.max_unavailable}, preStop {manifest.pre_stop_s:g} s, grace {manifest.grace_s:g} s) took "
        f"{outcome.took_s:.1f} s."
    )
    yield ""
    yield "Seconds after the beginning of the update:"
    yield "pod       " + "".join(
        f"{name:>10}" for name in ("started", "ready", "deleted", "SIGTERM", "ended", "exit code")
    )
    for pod in outcome.pods:
        times = (pod.started_at, pod.ready_at, pod.deleted_at, pod.signalled_at, pod.ended_at)
        cells = (f"{'' if at is None else format(at - outcome.began_at, '.1f'):>10}" for at in times)
        yield f"{pod.name:10}{''.join(cells)}{pod.exit_code!s:>10}"
    yield ""
    kinds = Counter(fact.kind for charge_point in outcome.fleet for fact in charge_point.facts)
    moves = Counter(len(charge_point.connected_at) - 1 for charge_point in outcome.fleet)
    codes = Counter(code for charge_point in outcome.fleet for code in charge_point.closed)
    away_s = max(charge_point.longest_away_s for charge_point in outcome.fleet)
    rows = {
        "charge points": len(outcome.fleet),
        "charge points by number of moves": dict(moves),
        "connections closed, by close code": dict(codes),
        "connections that no pod accepted": outcome.unserved,
        "greatest time without a connection": f"{away_s:.2f} s",
        **{f"{kind} answered": number for kind, number in kinds.items()},
        "messages sent again": sum(charge_point.resent for charge_point in outcome.fleet),
        "problems": len(outcome.problems),
    }
    for name, value in rows.items():
        yield f"{name:40}{value}"
    yield from outcome.problems[:_SHOWN]
