"""Which charge points a batch reaches."""

from collections.abc import Sequence
from itertools import batched, islice
from typing import Any

from admin.batches.filter import BatchFilter
from admin.http.problems import InputError, Problem
from state import charge_points, troubles
from state.batches.batches import CHARGE_POINTS_MAX
from state.charge_points import Filters, passes
from state.keys import ChargePointKeys
from state.store import Store

_PAGE = 1_000
_SHOWN = 50
"""Greatest number of unknown ids that the problem document lists."""


async def select(store: Store, tenant: str, wanted: BatchFilter) -> list[str]:
    """Return the ids of the charge points that pass the filter now, sorted.

    Raises Problem (422) for unknown ids in the filter, or for too many charge points.
    """
    named = wanted.charge_points
    found = (
        await _list(store, tenant, wanted) if named is None else await _check(store, tenant, wanted, named)
    )
    if len(found) > CHARGE_POINTS_MAX:
        raise Problem(
            422,
            "too-many-charge-points",
            f"More than {CHARGE_POINTS_MAX:,} charge points pass the filter; use a narrower filter, such as "
            "a longer `prefix`, and several batches.",
        )
    return found


async def _list(store: Store, tenant: str, wanted: BatchFilter) -> list[str]:
    filters, cursor = _filters(wanted), None
    found: list[str] = []
    while len(found) <= CHARGE_POINTS_MAX:
        filters["cursor"] = cursor
        if wanted.trouble is None:
            page: Any = await charge_points.list_(store, tenant, **filters)
        else:
            kind = None if wanted.trouble == "any" else wanted.trouble
            page = await troubles.list_(store, tenant, kind, **filters)
        found += [record.id for record, *_ in page.items]
        cursor = page.next
        if cursor is None:
            break
    return found


async def _check(store: Store, tenant: str, wanted: BatchFilter, named: Sequence[str]) -> list[str]:
    """Return the named charge points that pass the other parts of the filter."""
    filters, known, found = _filters(wanted), set[str](), list[str]()
    for some in batched(sorted(set(named)), _PAGE, strict=False):
        read = await charge_points.read_all(store, tenant, some)
        known |= {record.id for record, _ in read}
        passing = [
            record.id
            for record, holding in read
            if passes(record, holding, filters) and record.id.startswith(wanted.prefix or "")
        ]
        found += await _with_trouble(store, tenant, wanted, passing)
    unknown = ((at, id_) for at, id_ in enumerate(named) if id_ not in known)
    if errors := [_unknown(at, id_) for at, id_ in islice(unknown, _SHOWN)]:
        raise Problem(422, "invalid-request", errors[0].detail, errors=errors)
    return found


async def _with_trouble(store: Store, tenant: str, wanted: BatchFilter, ids: Sequence[str]) -> Sequence[str]:
    if wanted.trouble is None:
        return ids
    of = await troubles.read_troubles(store, [ChargePointKeys(tenant, id_) for id_ in ids])
    return [id_ for id_ in ids if any(wanted.trouble in {"any", trouble.kind} for trouble in of.get(id_, ()))]


def _filters(wanted: BatchFilter) -> Filters:
    return {
        "limit": _PAGE,
        "online": wanted.online,
        "boot_status": wanted.boot_status,
        "prefix": wanted.prefix or "",
    }


def _unknown(at: int, id_: str) -> InputError:
    return InputError(f"There is no charge point {id_!r}; leave it out.", f"/filter/charge_points/{at}")
