"""The result page, in the form of the certificate: product, profiles, features, performance and cases."""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape
from pathlib import Path
from typing import NamedTuple

from tests.conformance.cases import Case
from tests.conformance.recording import Outcome
from tests.conformance.timing import LIMIT_S, Timing

SPECIFICATION = "OCPP 1.6 edition 2, errata 2025-04"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: left; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums }
.passed, .yes { color: #17602a } .FAILED, .no { color: #a3161a } .skipped { color: #7a5b00 }
"""
_MEASURED = (
    "<p>One charge point over wss, one call after the other, measured from the CALL to its CALLRESULT at the "
    "charge point's side, in seconds. OCPP response time: charging sessions of Heartbeat, "
    "StatusNotification, Authorize, StartTransaction, MeterValues and StopTransaction.</p>"
)
_PLAYED = (
    "What ran was played over wss against the running product, every frame of it judged by the official JSON "
    "schemas and by the order of the steps: a call that no step expects fails the case. The cases were "
    "played under the security profiles 0, 2 and 3, and the cases about security profiles under those that "
    "they name."
)


class Page(NamedTuple):
    """Content of the page."""

    at: datetime
    profiles: Mapping[str, Outcome]
    features: Mapping[str, Outcome]
    cases: Mapping[Case, Outcome]
    timings: tuple[Timing, ...]


def write(page: Page, file: Path) -> None:
    """Write the page, and make its directory if necessary. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_html(page), "utf-8")


def answer(outcome: Outcome) -> str:
    """Return yes or no as in a certificate. The answer for a skipped case is no."""
    match outcome.word:
        case "passed":
            return "yes"
        case "skipped":
            return f"no, not yet ({outcome.why})"
        case "FAILED":
            return f"no ({outcome.why})"


def counts(outcomes: Iterable[Outcome]) -> str:
    words = [outcome.word for outcome in outcomes]
    passed, failed, skipped = (words.count(word) for word in ("passed", "FAILED", "skipped"))
    return f"{len(words)} cases: {passed} passed, {failed} failed, {skipped} skipped"


def seconds(number: float) -> str:
    return f"{number:.6f}"


def _html(page: Page) -> str:
    product = _product()
    head = {
        "Product": f"{product['name']}: {product['description']}",
        "Version": product["version"],
        "Role": "Central system (CSMS)",
        "Specification": SPECIFICATION,
        "Date": f"{page.at:%Y-%m-%d %H:%M} UTC",
    }
    parts = [
        "<h1>OCPP 1.6 conformance</h1>",
        _table(head.items()),
        "<h2>Certification profiles</h2>",
        _answers(page.profiles),
        "<h2>Optional features and questions</h2>",
        _answers(page.features),
        "<h2>Performance</h2>",
        _MEASURED,
        _timings(page.timings),
        "<h2>Cases</h2>",
        f"<p>{counts(page.cases.values())}. {_PLAYED}</p>",
        _cases(page.cases),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>OCPP 1.6 conformance</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _product() -> dict[str, str]:
    file = Path(__file__).parents[2] / "pyproject.toml"
    found: dict[str, str] = tomllib.loads(file.read_text("utf-8"))["project"]
    return found


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def _answers(outcomes: Mapping[str, Outcome]) -> str:
    rows = ""
    for name, outcome in outcomes.items():
        said = answer(outcome)
        rows += f'<tr><td>{escape(name)}</td><td class="{said[:3].strip(", ")}">{escape(said)}</td></tr>'
    return f"<table>{rows}</table>"


def _timings(timings: Iterable[Timing]) -> str:
    rows = "<tr><th></th><th>Calls</th><th>Minimum</th><th>Maximum</th><th>Average</th><th></th></tr>"
    for timing in timings:
        numbers = (timing.minimum, timing.maximum, timing.average)
        cells = "".join(f'<td class="number">{seconds(number)}</td>' for number in numbers)
        verdict = (
            f"at most {LIMIT_S} on average" if timing.fast_enough else f"above {LIMIT_S} on average: too slow"
        )
        calls = f'<td class="number">{timing.calls}</td>'
        rows += f"<tr><td>{escape(timing.name)}</td>{calls}{cells}<td>{verdict}</td></tr>"
    return f"<table>{rows}</table>"


def _cases(outcomes: Mapping[Case, Outcome]) -> str:
    rows = "<tr><th>Case</th><th>Name</th><th>Group</th><th>Result</th></tr>"
    for case, outcome in outcomes.items():
        cells = "".join(f"<td>{escape(text)}</td>" for text in (case.id, case.name, case.group))
        result = f"{outcome.word}: {outcome.why}" if outcome.why else outcome.word
        rows += f'<tr>{cells}<td class="{outcome.word}">{escape(result)}</td></tr>'
    return f"<table>{rows}</table>"
