from pathlib import Path

import msgspec
import pytest
import trustme

from loadtest.results import Results
from loadtest.run.coordinator import CannotRun
from loadtest.scenario.model import Arrival, Group, Scenario, Target
from tests.loadtest.run.runs import carry, orders, scenario
from tests.support.tls_central import Came, TlsCentral, tls_central

DRIVERS = Group(name="drivers", heartbeat_s=0, arrivals=(Arrival(action="Authorize", per_second=20),))
NUMBER = 4


def write_files(directory: Path, authority: trustme.CA, *names: str) -> str:
    """Write a client certificate and a key for each name. Return the file of the trusted certificates."""
    authority.cert_pem.write_to_path(directory / "ca.pem")
    for name in names:
        made = authority.issue_cert(f"{name}@charge-points", common_name=name)
        made.private_key_pem.write_to_path(directory / f"{name}.key")
        for pem in made.cert_chain_pems:
            pem.write_to_path(directory / f"{name}.pem", append=True)
    return str(directory / "ca.pem")


def of_target(target: Target) -> Scenario:
    return scenario(target.url or "", target=target, groups=(DRIVERS,), charge_points=NUMBER)


async def run(of: Scenario, directory: Path, central: TlsCentral) -> Results:
    """Run with two processes, and check that all charge points were served."""
    results = await carry(orders(of, directory, processes=2))
    assert (results.exit_code, results.errors) == (0, {})
    assert (results.counts["connections"], len(central.came), len(central.id_tags)) == (NUMBER,) * 3
    assert {each.name for each in results.latencies if each.what == "phase"} >= {"tcp", "tls", "upgrade"}
    return results


async def test_each_charge_point_of_a_csv_file_connects_with_its_own_certificate_password_token_and_id_tag(
    tmp_path: Path,
) -> None:
    authority, names = trustme.CA(), [f"CP {number}" for number in range(NUMBER)]
    ca_file = write_files(tmp_path, authority, *names)
    rows = [f"{name},hidden{n},secret{n},TAG{n},{name}.pem,{name}.key" for n, name in enumerate(names)]
    file = tmp_path / "charge-points.csv"
    file.write_text("\n".join(["id,password,token,id_tag,certificate,key", *rows]))
    async with tls_central(authority) as central:
        url = f"wss://127.0.0.1:{central.port}/{{token}}/{{id}}"
        results = await run(
            of_target(Target(url=url, ca_file=ca_file, credentials_file=str(file))), tmp_path / "run", central
        )
    paths = [f"/secret{n}/CP%20{n}" for n in range(NUMBER)]
    assert sorted(central.came) == [
        Came(path, f"CP {n}:hidden{n}", f"CP {n}") for n, path in enumerate(paths)
    ]
    assert central.id_tags == {path: f"TAG{n}" for n, path in enumerate(paths)}
    shown = msgspec.json.encode(results).decode()
    assert "secret" not in shown
    assert "hidden" not in shown


@pytest.mark.slow
async def test_each_charge_point_connects_with_its_certificate_of_a_directory(tmp_path: Path) -> None:
    authority, names = trustme.CA(), [f"LT{number:06}" for number in range(NUMBER)]
    ca_file = write_files(tmp_path, authority, *names)
    async with tls_central(authority) as central:
        url = f"wss://127.0.0.1:{central.port}/{{id}}"
        of = of_target(Target(url=url, ca_file=ca_file, certificates=str(tmp_path)))
        await run(of, tmp_path / "run", central)
        assert {each.certificate for each in central.came} == set(names)
        (tmp_path / f"{names[-1]}.key").unlink()
        with pytest.raises(CannotRun, match=f"process 2: .* No such file .*{names[-1]}.key"):
            await carry(orders(of, tmp_path / "again", processes=2))
        assert len(central.came) == NUMBER
