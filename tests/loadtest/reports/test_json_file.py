import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # only schemathesis brings it
import pytest
from msgspec.structs import replace

from loadtest.reports import json_file
from loadtest.reports.json_file import BadResults
from loadtest.results import Latency
from tests.support.loadtest_results import failing, results


def test_a_file_has_all_results_after_it_was_read_again(tmp_path: Path) -> None:
    made = failing()
    json_file.write(made, tmp_path / "run.json")
    found = json_file.read(tmp_path / "run.json")
    assert found == made
    assert found.counts["nobody counted this"] == found.stage_counts["hold"]["nor this"] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_file_is_valid_by_the_published_schema(tmp_path: Path) -> None:
    json_file.write(failing(), tmp_path / "run.json")
    schema = json_file.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    content = json.loads((tmp_path / "run.json").read_bytes())
    validator.validate(content)
    content["counts"]["late"] = "many"
    assert not validator.is_valid(content)


def test_a_file_that_is_not_there_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(BadResults, match=r"none\.json: No such file or directory; name a file that"):
        json_file.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Input data was truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"release": 1}', "Expected `str`, got `int` - at `$.release`"),
        (b'{"format": 2, "release": 1}', "format 2 is not known"),
        (b'{"a":' + b"[" * 100_000, "recursion"),
    ],
    ids=["empty", "not an object", "wrong type", "later format", "too deep"],
)
def test_a_file_that_is_not_of_a_run_is_named_with_the_reason(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(BadResults) as raised:
        json_file.read(tmp_path / "run.json")
    assert words in str(raised.value)
    assert "csms" in str(raised.value).partition(";")[2]


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    json_file.write(results(format=99), tmp_path / "run.json")
    with pytest.raises(BadResults, match="format 99 is not known; use the release"):
        json_file.read(tmp_path / "run.json")


def test_a_damaged_histogram_is_named_with_its_place(tmp_path: Path) -> None:
    broken = Latency(
        what="call", name="Heartbeat", stage="hold", clock="service", hdr="HISTFAAAAB54nJNpmSzMwMDA"
    )
    made = results()
    json_file.write(replace(made, latencies=[*made.latencies, broken]), tmp_path / "run.json")
    with pytest.raises(
        BadResults, match=rf"latencies\[{len(made.latencies)}\]\.hdr: a histogram cannot be read"
    ):
        json_file.read(tmp_path / "run.json")


def test_a_file_with_a_counter_that_does_not_count_is_refused(tmp_path: Path) -> None:
    json_file.write(results(), tmp_path / "run.json")
    content = json.loads((tmp_path / "run.json").read_bytes())
    content["errors"] = {"refused 503": "often"}
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(BadResults, match="Expected `int`, got `str`"):
        json_file.read(tmp_path / "run.json")
