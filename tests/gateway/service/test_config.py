from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.service.config import ConfigError, load, read_secret


class Files(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    chain_file: str
    key_file: str


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    ws_port: int | None = None
    names: tuple[str, ...] = ()
    certificates: tuple[Files, ...] = ()
    sni: bool = True


class StoreSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    durability: Literal["memory", "fsync"] = "fsync"
    timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    connections: Annotated[int, msgspec.Meta(ge=1)] = 4


class Security(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pepper: Annotated[str, msgspec.Meta(min_length=8)] = "not a secret"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    store: StoreSection
    listen: Listen = Listen()
    security: Security = Security()


URL = {"CSMS__STORE__URL": "redis://localhost"}


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return path


def explain_refusal(path: Path | None, environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load(Config, path, environ)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_an_environment_variable_takes_precedence_over_the_configuration_file(tmp_path: Path) -> None:
    path = toml(tmp_path, '[store]\nurl = "redis://a"\ntimeout_s = 2\n[listen]\nws_port = 80\n')
    config = load(
        Config,
        path,
        {"CSMS__STORE__URL": "redis://b", "CSMS__LISTEN__NAMES": "one, two", "CSMS__LISTEN__SNI": "false"},
    )
    assert config == Config(
        StoreSection("redis://b", timeout_s=2.0), Listen(ws_port=80, names=("one", "two"), sni=False)
    )


def test_a_list_of_sections_may_be_given_as_json_in_an_environment_variable() -> None:
    files = '[{"chain_file": "a", "key_file": "b"}]'
    config = load(Config, None, URL | {"CSMS__LISTEN__CERTIFICATES": files})
    assert config.listen.certificates == (Files("a", "b"),)


def test_an_environment_variable_can_unset_an_optional_setting(tmp_path: Path) -> None:
    path = toml(tmp_path, "[listen]\nws_port = 80\n")
    assert load(Config, path, URL | {"CSMS__LISTEN__WS_PORT": "null"}).listen.ws_port is None


def test_environment_variables_that_are_not_settings_are_ignored() -> None:
    noise = {"CSMS__READY_FD": "5", "CSMS_OTHER": "x", "PATH": "/"}
    assert load(Config, None, URL | noise) == load(Config, None, URL)


def test_a_secret_is_read_from_the_file_that_a_setting_names(tmp_path: Path) -> None:
    secret = tmp_path / "pepper"
    secret.write_text("0123456789\n")
    path = toml(tmp_path, f'[security]\npepper_file = "{secret}"\n')
    assert load(Config, path, URL).security.pepper == "0123456789"
    # An environment variable, with the value or with the name of a file, takes precedence over the TOML file.
    assert load(Config, path, URL | {"CSMS__SECURITY__PEPPER": "abcdefghi"}).security.pepper == "abcdefghi"
    both = URL | {"CSMS__SECURITY__PEPPER_FILE": str(secret)}
    assert load(Config, None, both).security.pepper == "0123456789"


@pytest.mark.parametrize(
    ("text", "needles"),
    [
        ("[listen]\nws_prot = 1", ["unknown key listen.ws_prot", "did you mean listen.ws_port?"]),
        ("[listn]\nws_port = 1", ["unknown key listn", "did you mean listen?"]),
        ('url = "redis://x"', ["unknown key url", "did you mean store.url?"]),
        ('[[listen.certificates]]\nchain = "x"', ["unknown key listen.certificates.chain", "chain_file?"]),
        ("[listen]\nws_port = 'a'", ["listen.ws_port: expected a whole number, got 'a'"]),
        ("listen = 5", ["listen: expected a section, got a whole number"]),
        ("[store]\nconnections = 0", ["store.connections: expected a whole number of at least 1, got 0"]),
        (
            "[store]\ndurability = 'none'",
            ["store.durability: 'none' is not a choice; choose one of memory, fsync"],
        ),
        ("[store]\ntimeout_s = -1", ["store.timeout_s: expected a number above 0, got -1"]),
        ('[security]\npepper_file = "/does/not/exist"', ["security.pepper_file", "No such file"]),
        ('[[listen.certificates]]\nchain_file = "x"', ["listen.certificates[0]: key_file is missing"]),
        ("[store", ["not valid TOML"]),
    ],
)
def test_an_error_in_the_configuration_file_is_explained_in_one_line(
    tmp_path: Path, text: str, needles: list[str]
) -> None:
    message = explain_refusal(toml(tmp_path, text), URL)
    for needle in needles:
        assert needle in message


@pytest.mark.parametrize(
    ("environ", "needle"),
    [
        (
            {},
            "store.url is missing; set store.url in the configuration file, or the variable CSMS__STORE__URL",
        ),
        (URL | {"CSMS__LISTEN__WS_PROT": "1"}, "did you mean CSMS__LISTEN__WS_PORT?"),
        (URL | {"CSMS__LISTEN": "1"}, "CSMS__LISTEN names a section; set one of its settings"),
        (URL | {"CSMS__SECURITY__SALT": "1"}, "CSMS__SECURITY__SALT; the settings of security are pepper"),
        (URL | {"CSMS__OTHER": "1"}, "CSMS__OTHER; the sections are store, listen, security"),
        (URL | {"CSMS__STORE__URL__X": "1"}, "unknown variable CSMS__STORE__URL__X"),
        (
            URL | {"CSMS__LISTEN__WS_PORT": "many"},
            "CSMS__LISTEN__WS_PORT: expected a whole number, got 'many'",
        ),
        (URL | {"CSMS__STORE__TIMEOUT_S": "-1"}, "CSMS__STORE__TIMEOUT_S: expected a number above 0, got -1"),
        (URL | {"CSMS__LISTEN__SNI": "no?"}, "CSMS__LISTEN__SNI: expected true or false, got 'no?'"),
        (
            URL | {"CSMS__LISTEN__CERTIFICATES": "[{"},
            "CSMS__LISTEN__CERTIFICATES: the list begins with [ but is not valid JSON",
        ),
        (
            URL | {"CSMS__SECURITY__PEPPER": "short"},
            "CSMS__SECURITY__PEPPER: expected a text of at least 8 char",
        ),
    ],
)
def test_the_error_for_a_wrong_or_missing_environment_variable_names_the_variable(
    environ: dict[str, str], needle: str
) -> None:
    assert needle in explain_refusal(None, environ)


@pytest.mark.parametrize(
    "text", ['[store]\nurl = "redis://:hunter2@host"', '[security]\npepper = "hunter2hunter2"']
)
def test_secrets_in_the_configuration_file_are_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    message = explain_refusal(toml(tmp_path, text), {})
    assert "_file" in message
    assert "hunter2" not in message


def test_an_unreadable_configuration_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    assert "cannot read the configuration" in explain_refusal(tmp_path / "absent.toml", URL)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    assert "not UTF-8" in explain_refusal(binary, URL)


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "empty"), (b"x" * 70_000, "too long"), (b"\xff", "UTF-8")]
)
def test_a_bad_secret_file_is_refused_with_the_reason(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=why):
        read_secret("security.pepper_file", path)


def test_a_line_break_in_a_file_name_is_escaped() -> None:
    environ = {"CSMS__STORE__URL": "redis://x", "CSMS__SECURITY__PEPPER_FILE": "a\nb"}
    with pytest.raises(ConfigError, match=r"cannot read a\\nb: No such file"):
        load(Config, None, environ)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["STORE", "LISTEN", "SECURITY", "X"]).flatmap(
            lambda section: st.sampled_from(["URL", "WS_PORT", "NAMES", "", "PEPPER_FILE"]).map(
                lambda key: f"CSMS__{section}__{key}"
            )
        ),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
        max_size=4,
    )
)
def test_any_set_of_environment_variables_gives_either_a_configuration_or_an_error_of_one_line(
    environ: dict[str, str],
) -> None:
    try:
        assert isinstance(load(Config, None, environ), Config)
    except ConfigError as error:
        assert str(error).count("\n") == 0  # noqa: PT017  either outcome is right
