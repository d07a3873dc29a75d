"""No secret that a run uses is in anything that csms writes or shows: logs, answers, metrics, store files.

A `csms up` of its own runs with the log level debug. Its charge points use secrets in every way, and quote
them in every place where a charge point may write a text.
"""

import base64
import json
import secrets
import shutil
import socket
import tempfile
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from websockets.sync.client import ClientConnection

from tests.support.basic_client import Site, Station, call, receive_call, site
from tests.support.csms_up import csms_up
from tests.support.raw_upgrade import basic, request
from tests.support.waiting import GENEROUS_S, wait_until

OWN_SECRETS = {"api-key", "demo-token"}
NOW = "2026-01-01T00:00:00Z"


class Secrets:
    """The secrets of a run, and each form in which one may be written."""

    def __init__(self) -> None:
        self.plain = "Zq8#kLm2!p" + secrets.token_urlsafe(6)
        self.old, self.new, self.later, self.lost, self.offline = (secrets.token_hex(20) for _ in range(5))
        self.in_url = secrets.token_hex(9)
        self.others: list[str] = []

    def forms(self) -> dict[str, bytes]:
        found = {f"other {number}": text.encode() for number, text in enumerate(self.others)}
        found |= {"URL": self.in_url.encode()}
        passwords: dict[str, list[bytes]] = {"plain": [self.plain.encode()]}
        for name in ("old", "new", "later", "lost", "offline"):
            key = getattr(self, name)
            passwords[name] = [key.encode(), bytes.fromhex(key)]
        for name, texts in passwords.items():
            for number, text in enumerate(texts):
                found |= {
                    f"{name} {number} as it is": text,
                    f"{name} {number} in hex": text.hex().encode(),
                    f"{name} {number} in upper-case hex": text.hex().upper().encode(),
                    f"{name} {number} in base64": base64.b64encode(text).rstrip(b"="),
                }
                for id_ in ("bytes", "text", "plain"):
                    joined = base64.b64encode(id_.encode() + b":" + text).rstrip(b"=")
                    found[f"{name} {number} in the header of {id_}"] = joined
        return found


class Output:
    """Everything that csms has answered."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def note(self, answer: httpx.Response) -> None:
        answer.read()
        once = answer.request.method == "POST" and answer.request.url.path.endswith("/tokens")
        if not once:  # The token of the answer is shown this once.
            self.parts.append(str(answer.headers).encode() + answer.content)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="csms-mask-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def test_no_secret_of_a_run_is_in_its_output_or_in_the_files_of_its_store(place: Path) -> None:
    used, output = Secrets(), Output()
    with csms_up(place / "data", "--drain-seconds", "0.2", "--log-level", "debug") as running:
        used.others += [running.api_key, running.token]
        with site(running, "masked") as ours, following_events(ours, output):
            used.others.append(ours.token)
            ours.api.event_hooks["response"].append(output.note)
            refused(ours, used, output)
            for station, key, profile in (
                (ours.station("bytes", used.old), used.old, 1),
                (ours.station("text", used.old, str.encode), used.old, 2),
                (ours.station("plain", used.plain, str.encode), used.plain, 2),
            ):
                ours.api.put(f"{station.path}/trace", json={})
                with station.connected(key, profile=profile) as connection:
                    quotes(connection, forms_of(key, station, ours.token))
                    commanded(connection, station, used, key)
                offline(station, used)
            bad_requests(ours, used)
            read_everything(ours)
        read_metrics(place / "data", output)
        output.parts.append(everything_in(place / "data"))
    output.parts += [everything_in(place / "data"), (place / "data.log").read_bytes()]
    whole = b"\n".join(output.parts)
    assert b"wrong_password" in whole
    assert b"StatusNotification" in whole
    assert b"appendonly" in str(list((place / "data").rglob("*.aof"))).encode()
    found = {name: context(whole, text) for name, text in used.forms().items() if text in whole}
    lines = "\n\n".join(f"{name}: {at!r}" for name, at in found.items())
    assert not found, lines


def context(whole: bytes, text: bytes) -> bytes:
    at = whole.index(text)
    return whole[max(0, at - 150) : at] + b"<HERE>" + whole[at + len(text) : at + len(text) + 80]


def forms_of(key: str, station: Station, token: str) -> list[str]:
    password = station.habit(key)
    joined = station.id.encode() + b":" + password
    forms = [key, password.hex(), password.hex().upper(), token]
    forms += [base64.b64encode(text).decode() for text in (password, key.encode(), joined)]
    forms.append(f"Authorization: Basic {base64.b64encode(joined).decode()}")
    return list(dict.fromkeys(forms))


def refused(ours: Site, used: Secrets, output: Output) -> None:
    """Be refused for many reasons, with the secrets in the request."""
    station = ours.station("refused", used.old, profile=1)
    root = f"/OCPP16/{ours.tenant}"
    right = basic("refused", bytes.fromhex(used.old))
    for path, headers in (
        (f"{root}/{ours.token}/refused", [basic("refused", bytes.fromhex(used.new))]),
        (f"{root}/{ours.token}/refused", [basic("other", bytes.fromhex(used.old))]),
        (f"{root}/{ours.token}/refused", [right, right]),
        (f"{root}/{ours.token}/refused", [f"Authorization: Basic {used.old}!"]),
        (f"{root}/{ours.token}/refused", [f"Authorization: Bearer {used.old}"]),
        (f"{root}/{ours.token}", [right]),
        (f"{root}/{ours.token}/a/b/c", [right]),
        (f"{root}/{ours.token}/%ff", [right]),
        (f"{root}/{used.plain.replace('#', '%23')}/refused", [right]),
        (f"/{ours.token}/refused", [right]),
        (f"{root}/{ours.token}/refused?password={used.old}", [right, f"Cookie: {used.old}"]),
    ):
        output.parts.append(raw(ours.running.ws, request(path, headers=headers)))
    output.parts.append(raw(ours.running.ws, f"GET {root}/{ours.token}/x\r\n{right}\r\n\r\n".encode()))
    output.parts.append(raw(ours.running.ws, f"POST /{used.old} HTTP/1.1\r\n{right}\r\n\r\n".encode()))
    assert station.status(used.new) == 401


def raw(url: str, message: bytes) -> bytes:
    """Send bytes, and return what comes within a second."""
    with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=1) as sock:
        sock.sendall(message)
        with suppress(TimeoutError, ConnectionError):
            return sock.recv(100_000)
    return b""


def quotes(connection: ClientConnection, forms: list[str]) -> None:
    """Quote each form of the secrets in each text that a charge point can send."""
    for number, form in enumerate(forms):
        texts: list[tuple[str, Any]] = [
            ("BootNotification", {"chargePointVendor": "v", "chargePointModel": form}),
            (
                "StatusNotification",
                {"connectorId": 1, "status": "Faulted", "errorCode": "OtherError", "info": f"bad {form}"},
            ),
            ("DataTransfer", {"vendorId": "v", "messageId": form, "data": f"it is {form}, or not"}),
            (
                "SecurityEventNotification",
                {"type": "InvalidMessages", "timestamp": NOW, "techInfo": f"key={form}"},
            ),
            ("DiagnosticsStatusNotification", {"status": form}),
            ("Authorize", {"idTag": form}),
            ("NoSuchAction", {"x": form}),
            (form, {}),
        ]
        for action, payload in texts:
            connection.send(json.dumps([2, f"{number}", action, payload]))
            connection.recv(GENEROUS_S)
        # A fact that cannot be read is kept as text. A frame that is no message is ignored.
        connection.send(f'[2,"q{number}","StopTransaction",{{"transactionId":"{form}","x":')
        connection.recv(GENEROUS_S)
        connection.send(f"hello {form}")
        connection.send(json.dumps([3, form, {"status": form}]))
    assert call(connection, "Heartbeat", {})


def commanded(connection: ClientConnection, station: Station, used: Secrets, key: str) -> None:
    """Answer commands with quotes of the secrets that they carry."""
    api, path = station.site.api, f"{station.path}/commands"
    changes: list[tuple[str, Any]] = [
        (used.new, [4, "GenericError", f"{used.new} is bad", {"was": [used.new, used.new.upper(), key]}]),
        (used.new, [4, used.new, used.new, {used.new: used.new}]),
        (used.later, [3, {"status": "Rejected", "reason": used.later}]),
        (used.later, [3, {"status": used.later}]),
    ]
    for value, (kind, *rest) in changes:
        command = station.change(value)
        id_, _, payload = receive_call(connection)
        assert payload["value"] == value
        connection.send(json.dumps([kind, id_, *rest]))
        station.wait_command(command, "answered", "error")
    location = f"ftp://user:{used.in_url}@192.0.2.9/up?signature={used.in_url}"
    asked: list[tuple[str, Any, Any]] = [
        (
            "GetConfiguration",
            {},
            {
                "configurationKey": [
                    {"key": "AuthorizationKey", "readonly": False, "value": key},
                    {"key": "Vendor.Note", "readonly": True, "value": f"uses {key}"},
                ],
                "unknownKey": [key],
            },
        ),
        ("GetDiagnostics", {"location": location}, {"fileName": f"{used.in_url}.zip"[:0] + "x.zip"}),
        ("UpdateFirmware", {"location": location, "retrieveDate": NOW}, {}),
        (
            "DataTransfer",
            {"vendorId": "v", "data": json.dumps({"password": used.in_url})},
            {"status": "Accepted", "data": f"{key} and {used.in_url}"[: len(key)]},
        ),
        ("ChangeConfiguration", {"key": "FtpPassword", "value": used.in_url}, {"status": "Accepted"}),
        (
            "ChangeConfiguration",
            {"key": "Vendor.Url", "value": location.partition("?")[0]},
            {"status": "Accepted"},
        ),
        (
            "ChangeConfiguration",
            {"key": "CentralUrl", "value": f"wss://csms.example/OCPP16/masked/{used.in_url}/x"},
            {"status": "RebootRequired"},
        ),
    ]
    for action, body, answer in asked:
        made = api.post(f"{path}/{action}?wait=0&timeout=60", json=body)
        assert made.status_code == 202, made.text
        id_, *_ = receive_call(connection)
        connection.send(json.dumps([3, id_, answer]))
        station.wait_command(made.json()["id"], "answered", "error")
    # The last command is written and never answered, and another one waits behind it for ever.
    station.change(used.lost)
    receive_call(connection)
    station.change(used.offline)


def offline(station: Station, used: Secrets) -> None:
    api = station.site.api
    for _ in range(2):
        answer = api.post(
            f"{station.path}/commands/ChangeConfiguration",
            json={"key": "AuthorizationKey", "value": used.offline},
        )
        assert answer.status_code in {409, 504}, answer.text


def bad_requests(ours: Site, used: Secrets) -> None:
    """Make mistakes with secrets in the body, the path and the query."""
    for method, path, body in (
        ("PUT", "/charge-points/bytes/authorization-key", {"value": used.old + "0"}),
        ("PUT", "/charge-points/bytes/authorization-key", {"key": used.old}),
        ("PUT", "/charge-points/bytes/authorization-key", [used.old]),
        ("POST", "/charge-points/bytes/commands/ChangeConfiguration", {"key": "AuthorizationKey"}),
        ("POST", "/charge-points/bytes/commands/ChangeConfiguration", {"key": 5, "value": used.old}),
    ):
        ours.api.request(method, path, json=body)
    ours.api.get(ours.running.admin + "/v1/tenants", headers={"Authorization": f"Bearer {used.old}"})


def read_everything(ours: Site) -> None:
    for id_ in ("bytes", "text", "plain", "refused"):
        for path in (
            *("", "/security", "/refusals", "/faults", "/trace", "/trace/frames?limit=1000"),
            *("/security-events", "/data-transfers", "/configuration", "/unreadable-facts", "/connectors"),
            *("/orphaned-stops", "/stray-meter-values", "/jobs", "/certificate-request"),
        ):
            ours.api.get(f"/charge-points/{quote(id_)}{path}")
    for path in ("/tokens", "/charge-points", "/transactions", "/id-tags", "/refusals?limit=1000"):
        assert ours.api.get(path).status_code == 200
    ours.api.get(f"{ours.running.admin}/v1/refusals?limit=1000")


@contextmanager
def following_events(ours: Site, output: Output) -> Iterator[None]:
    """Read the events of the tenant while the block runs."""
    client = httpx.Client(headers=ours.api.headers, timeout=GENEROUS_S)
    over = threading.Event()

    def follow() -> None:
        with suppress(httpx.HTTPError), client.stream("GET", f"{ours.api.base_url}events") as stream:
            assert stream.status_code == 200
            for part in stream.iter_bytes():
                output.parts.append(part)
                if over.is_set():
                    return

    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    try:
        yield
        over.set()
        # A last event ends the reading.
        ours.api.put("/charge-points/last", json={})
        reader.join(GENEROUS_S)
        assert not reader.is_alive()
        assert any(b"data_transfer" in part or b"connector" in part for part in output.parts)
    finally:
        client.close()


def read_metrics(data: Path, output: Output) -> None:
    for config in data.glob("*.toml"):
        port = tomllib.loads(config.read_text())["listen"]["health_port"]
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=GENEROUS_S)
        assert b"csms" in answer.content
        output.parts.append(answer.content)


def everything_in(data: Path) -> bytes:
    """Return the content of all files, the append-only files of the store among them.

    The files in which `csms up` keeps its own API key and token are left out.
    """
    files = [file for file in data.rglob("*") if file.is_file() and file.name not in OWN_SECRETS]
    wait_until(lambda: any(file.suffix == ".aof" for file in files))
    return b"\n".join(file.read_bytes() for file in files)


def test_the_search_finds_each_form_of_a_secret_that_is_there() -> None:
    """The test above can fail."""
    used = Secrets()
    used.others.append("a-token-of-the-tenant")
    for text in used.forms().values():
        assert [name for name, form in used.forms().items() if form in b"... " + text + b" ..."]
