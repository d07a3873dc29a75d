import msgspec
import pytest

from admin.sizing.fleet import Fleet
from admin.sizing.report import describe
from admin.sizing.sizes import Sizes, size
from tests.support.up_process import csms


def test_the_command_prints_the_sizes_of_a_fleet() -> None:
    done = csms("sizing", "--charge-points", "20000", "--heartbeat", "600")
    assert done.returncode == 0
    assert done.stdout.splitlines() == describe(size(Fleet(charge_points=20_000, heartbeat=600)))


def test_with_output_json_the_command_prints_one_object() -> None:
    done = csms("sizing", "--charge-points", "500", "--fsync-ms", "5", "--output", "json")
    assert msgspec.json.decode(done.stdout, type=Sizes) == size(Fleet(charge_points=500, fsync_ms=5))


@pytest.mark.parametrize("wrong", ["0", "-3", "many"])
def test_an_impossible_number_is_refused(wrong: str) -> None:
    done = csms("sizing", "--charge-points", wrong)
    assert done.returncode != 0
    assert done.stdout == ""
