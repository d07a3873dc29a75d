"""The judgement after a run: what was acknowledged, compared with what the central system has."""

from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
import trio

from loadtest.correctness.notes import Noted
from loadtest.correctness.stored import CannotRead, Kept, Patience, read_kept
from loadtest.correctness.violations import Violations
from loadtest.history import Comparison, Sent, Start, compare, read_journal
from loadtest.results import HistoryReport

_FINDINGS_MAX = 100

NO_ADMIN_API = (
    "no admin API was given, so nobody looked at what is stored; give --admin-url and --api-key-file"
)


async def judge(
    api: httpx.AsyncClient | None,
    journals: Iterable[Path],
    noted: Noted,
    *,
    names: Container[str],
    since: datetime,
    found: Violations,
    patience: Patience | None = None,
) -> HistoryReport:
    """Compare the journals and notes of a run that began at `since` with what is stored.

    Meter values that are stored twice or lost are added to `found`. An admin API that does not show what is
    stored is added too, because a run that was asked to look must not pass without. `names` are the charge
    points to judge. A charge point that shows faults must not be among them, because the central system may
    repair what it sends. The base URL of `api` is that of the tenant, and `api` sends the key.
    """
    if api is None:
        return HistoryReport(left_out=NO_ADMIN_API)
    lines = [line for path in journals for line in read_journal(path) if line.charge_point in names]
    times = (
        datetime.fromisoformat(line.content.timestamp)
        for line in lines
        if isinstance(line, Sent) and isinstance(line.content, Start)
    )
    try:
        kept = await read_kept(api, names, min((since, *times)), patience=patience)
    except CannotRead as error:
        found.add("history_unread", f"the history could not be checked: {error}")
        return HistoryReport(left_out=str(error))
    compared = await trio.to_thread.run_sync(compare, lines, kept.transactions)
    find_value_faults(noted, kept, found)
    return _report(compared, noted, kept)


def find_value_faults(noted: Noted, kept: Kept, found: Violations) -> None:
    """Add meter values that are stored twice, and acknowledged ones that are not stored.

    A transaction that is not stored at all is a finding of the history, and its values are not judged.
    """
    for (charge_point, id_), stored in kept.values.items():
        name = f"{charge_point}.{id_}"
        for at_ms, texts in stored.items():
            if len(set(texts)) < len(texts):
                found.add("value_twice", f"{name} has the meter values of {_text(at_ms)} {len(texts)} times")
        for at_ms in sorted(noted.values.get((charge_point, id_), set()) - stored.keys()):
            found.add(
                "value_lost",
                f"the acknowledged meter values of {name} of {_text(at_ms)} are not stored",
            )


def _report(compared: Comparison, noted: Noted, kept: Kept) -> HistoryReport:
    return HistoryReport(
        partly=_name_gaps(noted, kept),
        starts=compared.starts,
        stops=compared.stops,
        stored=compared.stored,
        values=sum(len(noted.values.get(key, ())) for key in kept.values),
        retried=compared.retried,
        replayed=compared.replayed,
        findings=compared.findings[:_FINDINGS_MAX],
        finding_count=len(compared.findings),
    )


def _name_gaps(noted: Noted, kept: Kept) -> str | None:
    gaps: Sequence[str] = [
        *([f"the meter values of {kept.unread:,} transactions were not read"] if kept.unread else []),
        *(["later meter values were not noted"] if "values" in noted.full else []),
        *(["later commands were not noted, so no command was judged"] if "commands" in noted.full else []),
    ]
    return "; ".join(gaps) or None


def _text(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
