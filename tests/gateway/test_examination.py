from pathlib import Path

import pytest

from gateway.examination import examine
from gateway.service import machine, surroundings
from tests.support.certificates import DAY, NOW, certificate, write

PEPPER = "0123456789" * 4
PORTS = "ws_port = 0\nhealth_port = 0\n"
SMALL = "[limits]\nconnections = 10\n"


def bad(folder: Path, text: str) -> dict[str, tuple[str, str]]:
    """Return the verdict and the text of what is not ok, by subject."""
    (folder / "pepper").write_text(PEPPER)
    path = folder / "gateway.toml"
    path.write_text(f'[store]\nurl = "unix:///no"\n[security]\npepper_file = "{folder}/pepper"\n{text}')
    found = examine(path, "nonce", with_store=False).findings
    return {each.subject: (each.verdict, each.text) for each in found if each.verdict != "ok"}


@pytest.mark.parametrize(
    ("text", "subject", "says"),
    [
        ("[listen]\nws_prot = 1\n", "gateway settings", "unknown key listen.ws_prot; did you mean"),
        ("[listen]\nhealth_port = 0\n", "gateway settings", "neither ws_port nor wss_port is set"),
        (f"[listen]\nproxy_protocol = true\n{PORTS}", "gateway settings", "trusted_networks is empty"),
        ("[listen]\nwss_port = 0\nhealth_port = 0\n", "gateway TLS", "tls.certificates is empty"),
        (f"[listen]\n{PORTS}[limits]\nconnections = 20000\n", "gateway files", "LimitNOFILE"),
        (f"[listen]\n{PORTS}[limits]\nconnections = 20000\n", "gateway memory", "lower limits.connections"),
        (
            f"[listen]\n{PORTS}[limits]\nconnections = 5000\nmemory_bytes = 104857600\n",
            "gateway memory",
            "limits.memory_bytes allows 100 MiB",
        ),
    ],
)
def test_each_fault_in_the_settings_of_a_gateway_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, subject: str, says: str
) -> None:
    monkeypatch.setattr(surroundings, "files_allowed", lambda: 20_000)
    monkeypatch.setattr(machine, "total_memory", lambda: 512 << 20)
    verdict, found = bad(tmp_path, text)[subject]
    assert verdict == "wrong"
    assert says in found


def test_a_port_without_tls_is_a_warning_and_everything_else_is_right(tmp_path: Path) -> None:
    found = bad(tmp_path, f"[listen]\n{PORTS}{SMALL}")
    assert {subject: verdict for subject, (verdict, _) in found.items()} == {"gateway ws": "warning"}


def test_a_certificate_that_is_about_to_expire_is_a_warning(tmp_path: Path) -> None:
    pem, key = write(tmp_path, "server", certificate("cs.example", ends=NOW + 5 * DAY))
    tls = f'[[tls.certificates]]\nchain_file = "{pem}"\nkey_file = "{key}"\n'
    verdict, text = bad(tmp_path, f"[listen]\nwss_port = 0\nhealth_port = 0\n{SMALL}{tls}")["gateway TLS"]
    assert verdict == "warning"
    assert "expires in" in text


def test_processes_with_equal_secrets_have_equal_marks_that_do_not_show_the_secret(tmp_path: Path) -> None:
    bad(tmp_path, f"[listen]\n{PORTS}")
    first, again, other = (
        examine(tmp_path / "gateway.toml", nonce, with_store=False) for nonce in ("a", "a", "b")
    )
    assert first.pepper_mark == again.pepper_mark != other.pepper_mark
    assert PEPPER not in first.pepper_mark + str(first.findings)
