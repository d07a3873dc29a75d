"""A trace as a file of text or of JSON lines. The file is written page by page, as the trace is read.

The first line names the trace. The last line says whether the file is complete.
"""

import re
from collections.abc import AsyncGenerator, Callable

import msgspec

from admin.http import times
from admin.routes.traces.answers import frame_answer, trace_answer
from state.errors import StateError
from state.store import Store
from state.traces import traces
from state.traces.traces import Trace, TraceEntry

_AT_ONCE = 500
# Line breaks, and control characters that would act on a terminal.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Text:
    content_type = "text/plain; charset=utf-8"
    suffix = "txt"

    def first(self, tenant: str, charge_point: str, trace: Trace) -> str:
        return escape(
            f"# Trace {trace.id} of {charge_point} of {tenant}, begun {times.text(trace.started_ms)}. "
            "Times are in UTC. in: from the charge point, out: to it. *** replaces a secret."
        )

    def line(self, place: str, entry: TraceEntry) -> str:  # noqa: ARG002  the other form shows it
        """Return a line with time, direction and frame. For a mark, `--` replaces the direction."""
        if entry.mark:
            return f"{times.text(entry.at_ms)} --  {escape(f'{entry.what}: {entry.note}')}"
        rest = f" ... ({entry.length} bytes in all)" if entry.cut else ""
        return f"{times.text(entry.at_ms)} {entry.what:<3} {escape(entry.frame)}{rest}"

    def last(self, complete: str) -> str:
        return f"# {complete}"


class JsonLines:
    content_type = "application/jsonl; charset=utf-8"
    suffix = "jsonl"

    def first(self, tenant: str, charge_point: str, trace: Trace) -> str:
        return _json({"tenant": tenant, "trace": trace_answer(charge_point, trace)})

    def line(self, place: str, entry: TraceEntry) -> str:
        return _json(frame_answer(place, entry))

    def last(self, complete: str) -> str:
        return _json({"end": complete})


type Form = Text | JsonLines


async def write(
    store: Store,
    tenant: str,
    charge_point: str,
    trace: Trace,
    *,
    form: Form,
    wants: Callable[[TraceEntry], bool],
) -> AsyncGenerator[bytes]:
    """Yield the file. If the store fails, the last line says that something is missing."""
    yield form.first(tenant, charge_point, trace).encode() + b"\n"
    place, wanted = "", 0
    while True:
        try:
            read, entries = await traces.read(store, tenant, charge_point, after=place, limit=_AT_ONCE)
        except StateError:
            yield _last(form, "Incomplete: the store does not answer; try again.")
            return
        if read is None or read.id != trace.id:
            yield _last(form, "Incomplete: another trace took its place.")
            return
        lines = [form.line(at, entry) for at, entry in entries if wants(entry)]
        wanted += len(lines)
        yield "".join(f"{line}\n" for line in lines).encode(errors="replace")
        if len(entries) < _AT_ONCE:
            yield _last(form, f"Complete: {wanted} lines, the trace {_state(read)}.")
            return
        place = entries[-1][0]


def escape(text: str) -> str:
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _last(form: Form, complete: str) -> bytes:
    return form.last(complete).encode() + b"\n"


def _state(trace: Trace) -> str:
    if trace.ended is None:
        return "is still running"
    return f"ended at {times.text(trace.ended_ms or trace.until_ms)} ({trace.ended})"


def _json(content: object) -> str:
    return msgspec.json.encode(content).decode()
