"""Writes the pages of docs/ that are made from the code, and the alerts for Kubernetes (`make docs`)."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import fields

from admin.config import AdminConfig
from admin.routes.event_kinds import KINDS, MEMBERS
from docs.fields import describe_default, describe_values, find_meta
from docs.loadtest_reference import loadtest_reference
from docs.markdown import make_page, make_table, make_text
from docs.metrics_reference import metrics, prometheus_rule
from docs.sizing_reference import sizing
from gateway.admission.reasons import Reason
from gateway.config import GatewayConfig
from gateway.ocpp16.faults.table import FAULTS, FaultKind, Repair
from gateway.service.refusal_words import OF_CONNECTIONS, OF_REQUESTS
from gateway.service.settings import section_of, struct_of
from gateway.websocket.close_codes import Close
from gateway.websocket.refusals import Refused
from loadtest.reports import json_file
from loadtest.scenario import schema
from state.retention import KINDS as KINDS_OF_KEYS
from state.retention import Kind as KindOfKey
from state.troubles import KINDS as KINDS_OF_TROUBLES

DOCS = Path(__file__).parent


def settings() -> str:
    shared = [one for one in _sections(GatewayConfig) if one in _sections(AdminConfig)]
    return make_page(
        "Settings",
        """A process reads its settings once, at its start. It reads the TOML file that `--config` names, and
        then environment variables. If a setting is in both, the variable applies. Gateways and admin
        processes have different settings, so each kind needs a file of its own.

        The setting `limits.send_s` is the key `send_s` in the section `[limits]` of the file, and the
        variable `CSMS__LIMITS__SEND_S`. A list in a variable is written as JSON, or as texts with commas
        between them. csms can also read the value of a text setting from a file. For this, add `_file` to the
        name of the setting, as in `security.pepper_file` or `CSMS__SECURITY__PEPPER_FILE`, and give the name
        of the file. A secret must not be in the TOML file itself.

        If a setting is unknown or wrong, the process does not start, and one line says what would be right.
        Only two settings have no default and must be set: `store.url` and `security.pepper`. A gateway also
        needs at least one of `listen.ws_port` and `listen.wss_port`.
        """,
        "## Both kinds of process\n",
        *(part for one in shared for part in _section_page(*one)),
        "## Gateway: `csms gateway`\n",
        *(part for one in _sections(GatewayConfig) if one not in shared for part in _section_page(*one)),
        "## Admin: `csms admin`\n",
        *(part for one in _sections(AdminConfig) if one not in shared for part in _section_page(*one)),
    )


def _sections(config: type[msgspec.Struct]) -> list[tuple[str, type[msgspec.Struct]]]:
    return [
        (field.encode_name, section)
        for field in fields(config)
        if (section := struct_of(field.type)) is not None
    ]


def _section_page(name: str, section: type[msgspec.Struct]) -> Iterator[str]:
    yield f"### {name}\n"
    yield make_text(section.__doc__ or "")
    yield make_table(("Setting", "Values", "Default", "Meaning"), _rows(section, f"{name}."))


def _rows(section: type[msgspec.Struct], above: str) -> Iterator[tuple[str, ...]]:
    for field in fields(section):
        name = f"{above}{field.encode_name}"
        yield (
            f"`{name}`",
            describe_values(field),
            describe_default(field),
            "".join(find_meta(field, "description")),
        )
        if (part := section_of(field.type)) is not None:
            yield from _rows(part, f"{name}." if struct_of(field.type) else f"{name}[].")


_FAULT_KINDS: dict[FaultKind, str] = {
    "handshake": "TLS and the upgrade request",
    "connection": "The websocket",
    "frame": "OCPP-J frames",
    "exchange": "Calls and answers",
    "payload": "Payloads",
    "time": "Times",
    "charging": "Charging",
}


def faults() -> str:
    return make_page(
        "Faults of charge points",
        """csms recognises these faults of charge points and counts them by name. `GET
        /v1/tenants/{tenant}/charge-points/{id}/faults` lists the counts of one charge point. The metric
        `csms_faults_total{fault}` has the counts of a process. Each row says what the charge point did, and
        what csms did about it. [Known faults](known-faults.md) lists what real charge points get wrong, and
        under which of these names csms counts it.

        A fault that can mean only one thing is repaired: csms reads the message as it was meant. A charge
        point that is set to `strict` gets an error instead.
        """,
        *(part for kind in _FAULT_KINDS for part in _faults_of(kind)),
    )


def _faults_of(kind: FaultKind) -> Iterator[str]:
    found = {name: fault.meaning for name, fault in FAULTS.items() if fault.kind == kind}
    repaired = [name for name in found if name in Repair.__value__.__args__]
    yield f"## {_FAULT_KINDS[kind]}\n"
    if repaired:
        yield "csms repairs these faults, unless the charge point is strict:\n"
        yield make_table(("Name", "Meaning"), ((f"`{name}`", found.pop(name)) for name in repaired))
        yield "Other faults of payloads:\n"
    yield make_table(("Name", "Meaning"), ((f"`{name}`", meaning) for name, meaning in found.items()))


_ONLY_RECORDED = (Close.CLOSING, Close.SILENT, Close.LEFT, Close.BROKEN, Close.DROPPED)


def close_codes() -> str:
    return make_page(
        "Close codes",
        """The event `charge_point.disconnected` has the code and the reason of a closed websocket in its
        `reason`. The metric `csms_websockets_closed_total{code}` counts the codes. `…` stands for a number or
        a text that varies. A code that the charge point sends is recorded in the same way, and has no other
        effect.
        """,
        "## In a CLOSE frame of the gateway\n",
        "If the gateway ends a websocket itself, it sends one of these codes and reasons.\n",
        # The load test is a charge point, so a gateway never sends its code.
        _closes(close for close in Close if close not in (*_ONLY_RECORDED, Close.LOAD_TEST_OVER)),
        "## Without a CLOSE frame\n",
        "The gateway records these codes, but sends no CLOSE frame, because nobody would read it.\n",
        _closes(_ONLY_RECORDED),
    )


def _closes(closes: Iterable[Close]) -> str:
    return make_table(
        ("Code", "Reason", "When", "What the charge point should do"),
        (
            (str(close.code), re.sub(r"\{[^}]*\}", "…", close.reason), close.when, close.then)
            for close in sorted(closes, key=lambda close: close.code)
        ),
    )


def refusals() -> str:
    return make_page(
        "Refused handshakes",
        """csms refuses an upgrade request for one of these reasons. The charge point gets the HTTP status and
        the text. All reasons with the status 401 have the same text, so that nobody can find out which
        tenants, tokens and charge points exist. The operator sees the true reason. `GET
        /v1/tenants/{tenant}/refusals` lists the refused requests that named a tenant, with one record for
        each claimed charge point, address and reason. `GET /v1/refusals` lists those that named no known
        tenant. `GET /v1/tenants/{tenant}/charge-points/{id}/refusals` has one count for each reason of a
        registered charge point. The log event `handshake.refused` has the same fields as a record. The metric
        `csms_handshakes_total{phase,outcome}` has the counts of a process. `…` stands for a number or a text
        that varies.
        """,
        make_table(
            ("Reason", "Status", "What was wrong", "What would be right", "Text for the charge point"),
            (
                (f"`{one.word}`", str(one.status), *OF_REQUESTS[one.word], one.text.replace("{}", "…"))
                for one in sorted(Reason, key=lambda one: one.status)
            ),
        ),
        make_text(
            """csms refuses a connection for one of these reasons before it has an upgrade request. If TLS
            fails, the charge point gets a TLS alert. If the request cannot be read, it gets an HTTP status.
            Otherwise csms closes the connection. csms does not know the charge point yet, so these refusals
            are among those of `GET /v1/refusals`. Their `detail` has the words of OpenSSL, which name the
            alert. `csms_handshakes_total` counts them with the phase `tcp`, `tls` or `upgrade`.
            """
        ),
        make_table(
            ("Reason", "What was wrong", "What would be right"),
            ((f"`{one.word}`", *OF_CONNECTIONS[one.word]) for one in Refused),
        ),
    )


def events() -> str:
    return make_page(
        "Events",
        """`GET /v1/tenants/{tenant}/events` streams the events of a tenant as server-sent events. Each event
        has `id`, `kind`, `tenant`, `charge_point`, `at` and `data`. This page lists the members of `data` for
        each kind. An *optional* member is missing in some events of its kind. The stream sends the events of
        one charge point in the order in which they happened. An event may be sent more than once, with the
        same `id`. `charge_point` is null in an event of a batch, which concerns no single charge point. Later
        versions of csms may add kinds and members.

        The store keeps events for 6 hours. The charge points of a tenant are spread over 256 partitions, and
        the store keeps at most the latest 10,000 events of each partition. A client that resumes after an
        event that is no longer kept gets `event: gap`. Before the server closes the stream, it sends `event:
        end` with the reason. [Operating csms](operations.md#events) shows how to read the stream. """,
        *(_event(kind, meaning) for kind, meaning in KINDS.items()),
    )


def troubles() -> str:
    return make_page(
        "Troubles of charge points",
        """A charge point that needs attention has *troubles*. `GET
        /v1/tenants/{tenant}/charge-points/{id}` shows the troubles of one charge point. `GET
        /v1/tenants/{tenant}/charge-points?trouble=deaf` lists the charge points with the trouble `deaf`. `GET
        /v1/tenants/{tenant}/overview` shows the twenty charge points with the most urgent troubles.
        [Operating csms](operations.md#watch-a-fleet) shows how to use them.

        csms computes a trouble from what it has stored, each time somebody asks. So a trouble ends by itself
        when its cause ends, and nobody has to reset it. The lists and counts come from an index, which csms
        updates for all charge points in turn. The member `as_of` of the overview says how old it may be. The
        kinds are in the order of their urgency.

        `since` is the time at which the trouble began. If a trouble needs several of something, such as
        commands without an answer, it is the first of those that came one after the other.
        """,
        make_table(
            ("Kind", "It begins", "It ends", "What to do"),
            ((f"`{kind}`", row.begins, row.ends, row.do) for kind, row in KINDS_OF_TROUBLES.items()),
        ),
    )


def retention() -> str:
    return make_page(
        "What the store keeps",
        """Each kind of key in the store has an owner, a time at which it goes, and a bound on what it may
        hold. A kind is the name in the middle of a key: `transaction` in `{tag}:transaction:demo/CP1/7`, and
        `node` in `csms:node:{...}`. A test compares this page with the code, so no key can be without a row.

        Only transactions and what belongs to them have no limit by themselves. An
        [archive](archive.md) bounds them, or the setting `retention.transactions_days`. [Decision
        012](decisions/012-retention.md) gives the reasons.
        """,
        *(part for heading, kinds in KINDS_OF_KEYS.items() for part in _kinds(heading, kinds)),
    )


def _kinds(heading: str, kinds: Iterable[KindOfKey]) -> Iterator[str]:
    yield f"## {heading}\n"
    yield make_table(
        ("Kind", "What it holds", "Owner", "When it goes", "At most"),
        ((f"`{one.name}`", one.holds, one.owner, one.ends, one.most) for one in kinds),
    )


def _json(found: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _event(kind: str, meaning: str) -> str:
    members = make_table(
        ("Member of `data`", "Type", "Meaning"),
        (
            (f"`{name}`", member.type, f"{'Optional. ' if member.optional else ''}{member.meaning}")
            for name, member in MEMBERS[kind].items()
        ),
    )
    return f"## `{kind}`\n\n{make_text(meaning)}" + (f"\n{members}" if MEMBERS[kind] else "")


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "faults.md": faults,
    "close-codes.md": close_codes,
    "refusals.md": refusals,
    "metrics.md": metrics,
    "../k8s/components/monitoring/prometheus-rule.yaml": prometheus_rule,
    "events.md": events,
    "retention.md": retention,
    "troubles.md": troubles,
    "sizing.md": sizing,
    "loadtest-reference.md": loadtest_reference,
    "loadtest.schema.json": lambda: _json(schema.json_schema()),
    "loadtest-results.schema.json": lambda: _json(json_file.json_schema()),
}

if __name__ == "__main__":
    for name, make in PAGES.items():
        (DOCS / name).write_text(make())
