import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from admin.cli import greeting
from admin.cli.addresses import Addresses
from admin.cli.demo import Demo

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Addresses, Demo]:
    """What `make run` has in a fresh checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv/bin/python"))
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/csms").touch()
    data = tmp_path / "csms-data"
    addresses = Addresses(
        ws="ws://localhost:8180",
        wss="wss://localhost:8443",
        admin="http://localhost:8080",
        api_key="the key",
        tenant="demo",
        token="the token",
        ca_file=str(data / "ca/root.pem"),
        data_dir=str(data),
    )
    demo = Demo(
        tenant="demo",
        token="the token",
        token_file=data / "demo-token",
        api_key="the key",
        api_key_file=data / "api-key",
    )
    return addresses, demo


@pytest.mark.parametrize("lines", [greeting.charging_lines, greeting.operator_lines])
def test_the_readme_has_the_lines_that_are_printed(where: tuple[Addresses, Demo], lines: object) -> None:
    assert callable(lines)
    block = "```sh\n" + "\n".join(lines(*where)) + "\n```"
    assert block in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("lines", [greeting.charging_lines, greeting.operator_lines])
def test_the_lines_are_shell_and_hold_no_secret(where: tuple[Addresses, Demo], lines: object) -> None:
    assert callable(lines)
    text = "\n".join(lines(*where))
    assert "the key" not in text
    assert "the token" not in text
    subprocess.run(["bash", "-n", "-c", text], check=True)
    assert shlex.split(text.splitlines()[0].rstrip("\\"))
