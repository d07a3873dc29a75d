"""The guide of the load test names what there is, and its examples can be read."""

import re
from pathlib import Path

from docs.generate import DOCS
from loadtest.measuring.verdict import EXIT_CODES
from loadtest.reports.comparing import parse
from loadtest.scenario.reading import read_scenario, shipped_names

GUIDE = (DOCS / "loadtest.md").read_text()


def rows(head: str) -> list[str]:
    """Return the first cells of the table below a head."""
    table = GUIDE.partition(head)[2].partition("\n\n")[0]
    return [line.split("|")[1].strip() for line in table.splitlines()[2:]]


def test_the_guide_of_the_load_test_has_each_shipped_scenario_and_each_exit_code() -> None:
    assert sorted(rows("| Name | Charge points | Purpose |")) == [f"`{name}`" for name in shipped_names()]
    codes = [int(code) for code in rows("| Code | Word in the report | Meaning |")]
    assert codes == [0, *EXIT_CODES.values()]


def test_the_scenario_in_the_guide_of_the_load_test_can_be_read(tmp_path: Path) -> None:
    found = re.search(r"^cat > mine\.toml <<'END'\n(.*?)^END\n", GUIDE, re.MULTILINE | re.DOTALL)
    assert found is not None
    (tmp_path / "mine.toml").write_text(found[1])
    assert read_scenario(str(tmp_path / "mine.toml")).name == "mine"


def test_the_conditions_in_the_guide_of_the_load_test_can_be_parsed() -> None:
    conditions = [cell.strip("`") for cell in rows("| Condition | Holds if |")]
    conditions += re.findall(r"--fail-if '([^']+)'", GUIDE)
    assert [parse(condition).words for condition in conditions] == conditions
    assert len(conditions) >= 5
