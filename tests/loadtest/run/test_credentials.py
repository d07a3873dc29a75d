from pathlib import Path

import msgspec
import pytest

from loadtest.run.credentials import BadFile, Row, Secrets, hide_secrets, read_passwords, read_secrets
from loadtest.scenario.model import Group, Scenario, Stage, Target

URL = "wss://h/OCPP16/demo/{token}/{id}"


def write(directory: Path, text: str) -> str:
    (file := directory / "file").write_text(text)
    return str(file)


def test_the_rows_of_a_credentials_file_are_the_charge_points_with_their_secrets(tmp_path: Path) -> None:
    file = write(tmp_path, "id,token,password,certificate,key\nA 1,t/1,secret,a.pem,a.key\nB,t2,,,\n")
    secrets = read_secrets(Target(url=URL, credentials_file=file), 2)
    assert secrets.make_url(0, "A 1") == "wss://h/OCPP16/demo/t%2F1/A%201"
    assert secrets.password(0, "A 1") == b"secret"
    assert secrets.certificate(0, "A 1") == (str(tmp_path / "a.pem"), str(tmp_path / "a.key"))
    assert (secrets.password(1, "B"), secrets.certificate(1, "B")) == (None, None)
    assert secrets.tenant == "demo"


def test_a_process_gets_the_credentials_of_its_own_charge_points_only(tmp_path: Path) -> None:
    file = write(tmp_path, "id,token\n" + "".join(f"CP{number},t{number}\n" for number in range(10)))
    secrets = read_secrets(Target(url=URL, credentials_file=file), 10)
    part = secrets.of_fleet(4, 7).of_fleet(5, 7)
    assert [row.id for row in part.rows] == ["CP5", "CP6"]
    assert part.make_url(6, "CP6").endswith("/t6/CP6")


def test_the_charge_points_do_not_get_the_key_of_the_admin_api_and_the_operators_no_other_secret() -> None:
    secrets = Secrets(url=URL, token="t", passwords={"A": b"p"}, rows=(Row("A", b"p", "t"),), api_key="k")
    assert secrets.of_fleet(0, 1).api_key is None
    operators = secrets.of_operators()
    assert (operators.token, operators.passwords, operators.rows) == (None, {}, (Row("A"),))


def test_files_may_begin_with_a_byte_order_mark_and_have_the_line_ends_of_windows(tmp_path: Path) -> None:
    (rows := tmp_path / "rows").write_bytes(b"\xef\xbb\xbfid,token\r\nA,t\r\n\r\nB,u\r\n")
    secrets = read_secrets(Target(url=URL, credentials_file=str(rows)), 2)
    assert [(row.id, row.token) for row in secrets.rows] == [("A", "t"), ("B", "u")]
    (token := tmp_path / "token").write_bytes(b"\xef\xbb\xbfsecret\r\n")
    assert read_secrets(Target(url=URL, token_file=str(token)), 1).token == "secret"


def test_hexadecimal_passwords_are_bytes_and_other_passwords_are_text(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(f"A {'0f' * 20}\n\nB plain text \n")
    assert read_passwords(file) == {"A": b"\x0f" * 20, "B": b"plain text"}


@pytest.mark.parametrize(
    ("target", "text", "wrong", "right"),
    [
        ({"credentials_file": ""}, "name\nA", "'name' is unknown", "id, password"),
        ({"credentials_file": ""}, "token\nA", "no column id", "id, password"),
        ({"credentials_file": ""}, "id,token\nA", "line 2: has 1 values", "2 columns"),
        ({"credentials_file": ""}, "id\nA\nA", "line 3: has an id of an earlier line", "its own id"),
        ({"credentials_file": ""}, "id\nA", "has 1 charge points, but the fleet has 2", "--scale"),
        ({"credentials_file": ""}, "id\nA\nB", "there is no token", "--token-file"),
        ({"credentials_file": ""}, 'id\n"A\nB"\nC', "line 2: the id has a character", "leave it out"),
        ({"credentials_file": ""}, "id\nA\x1b[2J\nB", "line 2: the id has a character", "leave it out"),
        ({"credentials_file": ""}, f"id,id_tag\nA,{'x' * 21}\nB,", "line 2: the id_tag is too long", "20"),
        ({"ca_file": "", "url": "ws://h/{id}"}, "not a certificate", "has no certificate", "PEM"),
        ({"ca_file": "/nowhere", "url": "ws://h/{id}"}, "", "/nowhere: No such file", "give a file"),
        ({"api_key_file": "", "url": "ws://h/{id}"}, "schlüssel", "must hold one token", "ASCII"),
        ({"passwords_file": "", "url": "ws://h/{id}"}, "A a\nA b", "line 2: has an id of an", "one key"),
        ({"token_file": ""}, "a b", "must hold one token", "without spaces"),
        ({"token_file": "/nowhere"}, "", "/nowhere: No such file", "give a file"),
        ({"passwords_file": "", "url": "ws://h/{id}"}, "A", "line 1", "a space and its key"),
        ({"certificates": "", "url": "ws://h/{id}"}, "", "is not a directory", "<id>.pem"),
        ({"token_file": "", "url": "ws://h/{id}"}, "t", "has no {token}", "put {token}"),
    ],
)
def test_a_wrong_credentials_file_is_explained_in_one_line_that_says_what_would_be_right(
    tmp_path: Path, target: dict[str, str], text: str, wrong: str, right: str
) -> None:
    file = write(tmp_path, text)
    named = msgspec.convert({"url": URL} | {name: value or file for name, value in target.items()}, Target)
    with pytest.raises(BadFile) as raised:
        read_secrets(named, 2)
    assert wrong in str(raised.value)
    assert right in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "wss://h/OCPP16/demo/SECRET/{id}",
        "wss://user:SECRET@h:1/{id}",
        "wss://SECRET@h/{id}",
        "wss://h/{id}?token=SECRET",
    ],
)
def test_a_shown_scenario_has_no_secret_of_the_url(url: str) -> None:
    scenario = Scenario(
        name="s",
        target=Target(url=url, admin_url="https://user:SECRET@h"),
        groups=(Group(name="g"),),
        stages=(Stage(name="s", kind="hold", seconds=1),),
    )
    shown = msgspec.json.encode(hide_secrets(scenario)).decode()
    assert "SECRET" not in shown
    assert "{id}" in shown


def test_secrets_do_not_show_themselves() -> None:
    shown = repr(Secrets(url=URL, token="SECRET", rows=(Row("A", b"SECRET", "SECRET"),), api_key="SECRET"))
    assert "SECRET" not in shown + repr(Row("A", b"SECRET", "SECRET"))
