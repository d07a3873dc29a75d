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
    """Addresses and credentials as `make run` has them in a fresh checkout."""
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
def test_the_readme_contains_the_command_lines_that_the_command_csms_up_prints(
    where: tuple[Addresses, Demo], lines: object
) -> None:
    assert callable(lines)
    assert set(lines(*where)) <= set((ROOT / "README.md").read_text().splitlines())


@pytest.mark.parametrize("lines", [greeting.charging_lines, greeting.operator_lines])
def test_the_printed_command_lines_are_valid_shell_code_and_contain_no_secrets(
    where: tuple[Addresses, Demo], lines: object
) -> None:
    assert callable(lines)
    text = "\n".join(lines(*where))
    assert "the key" not in text
    assert "the token" not in text
    subprocess.run(["bash", "-n", "-c", text], check=True)
    assert shlex.split(text.splitlines()[0].rstrip("\\"))
