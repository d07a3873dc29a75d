"""The verdict as a JUnit file, which every continuous integration shows.

Each threshold is a test case, and so is each check of correctness and the validity of the generator.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from loadtest.measuring.verdict import is_unanswered
from loadtest.reports.checked import checks
from loadtest.reports.headline import bound_of, headline, name_of, value_of
from loadtest.results import Results

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(results: Results, path: Path) -> None:
    """Write the file. Raises OSError."""
    tree = ElementTree(build(results))
    indent(tree)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def build(results: Results) -> Element:
    root = Element("testsuites", name="csms loadtest")
    suites = [
        _suite(results, "thresholds", _thresholds(results)),
        _suite(results, "correctness", _correctness(results)),
        _suite(results, "generator", _generator(results)),
    ]
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    root.set("time", f"{results.seconds:.3f}")
    root.extend(suites)
    return root


def _suite(results: Results, name: str, cases: Iterator[Element]) -> Element:
    suite = Element(
        "testsuite",
        name=_clean(f"{results.scenario.name}.{name}"),
        timestamp=_clean(results.started_at),
        time=f"{results.seconds:.3f}",
    )
    suite.extend(cases)
    suite.set("tests", str(len(suite)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(len(suite.findall(f"testcase/{tag}"))))
    return suite


def _thresholds(results: Results) -> Iterator[Element]:
    for judged in results.judged:
        name = f"{name_of(judged.threshold)}: {bound_of(judged)}"
        case = _case(results, "thresholds", name)
        if judged.passed:
            _add(case, "system-out", value_of(judged))
        else:
            _add(case, "failure", judged.words, message=f"measured {value_of(judged)}", type="threshold")
        yield case


def _correctness(results: Results) -> Iterator[Element]:
    for check in checks(results):
        case = _case(results, "correctness", check.title)
        if check.failed:
            _add(case, "failure", "\n".join(check.words), message=f"{check.count} times", type=check.kind)
        elif check.left_out is not None:
            _add(case, "skipped", message=check.left_out)
        yield case


def _generator(results: Results) -> Iterator[Element]:
    case = _case(results, "generator", "The central system was measured, and not the generator")
    if results.invalid:
        _add(case, "error", "\n".join(results.invalid), message="the run is INVALID", type="generator")
    yield case
    case = _case(results, "generator", "The run came to its end")
    if results.ended == "interrupted":
        _add(case, "error", headline(results).sentence, message="the run was interrupted", type="interrupted")
    yield case
    case = _case(results, "generator", "The central system answered calls")
    if is_unanswered(results):
        _add(case, "failure", message="no call was answered", type="unanswered")
    yield case


def _case(results: Results, kind: str, name: str) -> Element:
    return Element(
        "testcase", classname=_clean(f"loadtest.{results.scenario.name}.{kind}"), name=_clean(name)
    )


def _add(case: Element, tag: str, words: str = "", **attributes: str) -> None:
    added = SubElement(case, tag, {name: _clean(value) for name, value in attributes.items()})
    added.text = _clean(words) or None


def _clean(words: str) -> str:
    """Replace characters that no XML file may have, such as those of a hostile central system."""
    return _NOT_IN_XML.sub("\ufffd", words)
