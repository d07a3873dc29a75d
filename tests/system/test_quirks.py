"""Each of the 51 faults of real charge points is played in lenient and in strict mode."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trustme

from tests.system.central import Central
from tests.system.quirks import charging, exchange, handshake, payload, times
from tests.system.quirks.scene import AsItShould, Scene, Site
from tests.system.quirks.table import QUIRKS, Quirk

PAGE = Path("docs/known-faults.md")
ROWS = sorted(QUIRKS.values(), key=lambda row: row.number)
PARTS = (handshake, exchange, times, payload, charging)
"""These modules are imported because they register the rows."""


@pytest.fixture(scope="module")
def site(central: Central, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One gateway for all rows.

    The gateway sends its PINGs early, and its certificate is signed by an intermediate CA.
    """
    directory = tmp_path_factory.mktemp("tls")
    root = trustme.CA()
    leaf = root.create_child_ca().issue_cert("localhost")
    root.cert_pem.write_to_path(directory / "root.pem")
    leaf.private_key_pem.write_to_path(directory / "key.pem")
    for pem in leaf.cert_chain_pems:
        pem.write_to_path(directory / "chain.pem", append=True)
    files = {"chain_file": str(directory / "chain.pem"), "key_file": str(directory / "key.pem")}
    gateway = central.start_gateway(
        listen__wss_port=0,
        tls__certificates=json.dumps([files]),
        limits__ping_interval_s=0.5,
        limits__pong_s=2.5,
    )
    try:
        gateway.wait_ready()
        yield Site(central, gateway, directory / "root.pem")
    finally:
        gateway.stop()


@pytest.mark.parametrize("mode", ["lenient", "strict"])
@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_each_known_charge_point_fault_is_handled_as_its_row_in_the_table_says(
    site: Site, row: Quirk, mode: str
) -> None:
    with trio.fail_after(120):
        async with site.tenant.api() as api:
            await _play(Scene(site, row, api, strict=mode == "strict"))


async def _play(scene: Scene) -> None:
    await scene.register()
    try:
        await scene.row.play(scene)
    except AsItShould:
        assert scene.strict
    else:
        assert not scene.refusal, "a strict charge point should have been refused"
    await scene.check_counts()


def test_the_table_of_known_charge_point_faults_has_51_rows() -> None:
    assert sorted(QUIRKS) == list(range(1, 52))


def test_the_page_of_known_charge_point_faults_agrees_with_the_tests() -> None:
    cell = r"([^|\n]*)"
    rows = re.findall(rf"^\| Q(\d+) \|{cell}\|{cell}\|{cell}\|{cell}\|$", PAGE.read_text(), re.MULTILINE)
    said = {
        int(number): (word.strip(), set(re.findall(r"`(\w+)`", faults)), strict.strip())
        for number, _, word, faults, strict in rows
    }
    assert said == {row.number: (row.word, {*row.faults, *row.nobodys}, row.strict) for row in ROWS}
    assert len(rows) == len(ROWS)
