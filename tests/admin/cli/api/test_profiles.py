from pathlib import Path

import pytest

from admin.cli.api import profiles
from admin.cli.api.profiles import Profile, Profiles
from admin.cli.failures import CommandRefused
from gateway.service.config import ConfigError
from tests.support.up_process import csms, one_line

KEY = "csms_abc_secret"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Make two profiles, each with a key of its own; `one` is the default."""
    environ = {"CSMS_PROFILES_FILE": str(tmp_path / "config" / "profiles.toml")}
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"{KEY}_{name}\n")
    made = {
        "one": Profile(url="https://one.example", api_key_file=str(tmp_path / "one"), tenant="acme"),
        "two": Profile(url="https://two.example/", api_key_file="../two", ca_file="ca.pem"),
    }
    profiles.write(environ, Profiles(default="one", profiles=made))
    return environ


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Make the files that `csms up` writes into its data directory."""
    directory = tmp_path / "data"
    directory.mkdir()
    (directory / "admin.toml").write_text('[listen]\nhost = "127.0.0.1"\nport = 1234\n')
    (directory / "api-key").write_text(f"{KEY}_up\n")
    return directory


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def test_a_named_profile_gives_the_address_the_key_the_tenant_and_the_authorities(
    environ: dict[str, str], tmp_path: Path
) -> None:
    two = profiles.choose("two", None, None, environ)
    assert (two.url, two.api_key, two.tenant) == ("https://two.example", f"{KEY}_two", None)
    assert two.ca_file == tmp_path / "config" / "ca.pem"
    assert profiles.choose("one", None, None, environ).tenant == "acme"


def test_the_option_for_the_tenant_overrides_the_tenant_of_the_profile(environ: dict[str, str]) -> None:
    assert profiles.choose("one", None, "other", environ).tenant == "other"


def test_the_servers_are_tried_in_the_order_of_the_help_text(
    environ: dict[str, str], data_dir: Path, tmp_path: Path
) -> None:
    variables = {"CSMS_API_URL": "http://variable.example", "CSMS_API_KEY": f"{KEY}_variable"}
    everything = environ | variables
    assert profiles.choose("two", None, None, everything).url == "https://two.example"
    assert profiles.choose(None, data_dir, None, everything).url == "http://127.0.0.1:1234"
    assert profiles.choose(None, None, None, everything).url == "http://variable.example"
    assert profiles.choose(None, None, None, environ | {"CSMS_PROFILE": "two"}).url == "https://two.example"
    assert profiles.choose(None, None, None, environ).url == "https://one.example"
    data_dir.rename(tmp_path / "here" / "csms-data")
    here = profiles.choose(None, None, None, environ)
    assert (here.url, here.api_key, here.tenant) == ("http://127.0.0.1:1234", f"{KEY}_up", "demo")


def test_the_key_of_a_profile_does_not_go_to_the_address_in_a_variable(environ: dict[str, str]) -> None:
    with pytest.raises(CommandRefused, match="set only one of them"):
        profiles.choose(None, None, None, environ | {"CSMS_PROFILE": "one", "CSMS_API_URL": "http://x"})
    with pytest.raises(CommandRefused, match="CSMS_API_KEY_FILE or CSMS_API_KEY"):
        profiles.choose(None, None, None, environ | {"CSMS_API_URL": "http://x"})


def test_without_any_server_the_error_names_the_ways_to_name_one(tmp_path: Path) -> None:
    nowhere = {"CSMS_PROFILES_FILE": str(tmp_path / "nothing")}
    with pytest.raises(CommandRefused, match="no server is named; give --profile or --data-dir"):
        profiles.choose(None, None, None, nowhere)


def test_a_file_of_profiles_that_others_can_read_is_refused(environ: dict[str, str]) -> None:
    assert profiles.path(environ).stat().st_mode & 0o777 == 0o600
    profiles.path(environ).chmod(0o640)
    with pytest.raises(CommandRefused, match=r"has mode 0640.*chmod 600"):
        profiles.read(environ)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("default = 1", "Expected"),
        ("profiles = [", "a profile is a section"),
        (
            '[profiles.x]\nurl = "http://x"\napi_key = "csms_a_b"\napi_key_file = "k"\n',
            "unknown field `api_key`",
        ),
    ],
)
def test_a_wrong_file_of_profiles_is_refused_in_one_line(
    environ: dict[str, str], text: str, error: str
) -> None:
    profiles.path(environ).write_text(text)
    with pytest.raises(CommandRefused, match=error):
        profiles.read(environ)


@pytest.mark.parametrize(
    "url", ["csms.example", "ftp://csms.example", "http://", "http://u:p@x", "http://x?y", "http://x:99999"]
)
def test_an_address_that_is_no_address_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(CommandRefused, match=r"^CSMS_API_URL is not the address of an admin API"):
        profiles.check_url(url, "CSMS_API_URL")


@pytest.mark.parametrize("content", ["", "two words", "línea", "a\nb"])
def test_a_file_that_holds_no_key_is_refused_without_showing_it(
    environ: dict[str, str], tmp_path: Path, content: str
) -> None:
    (tmp_path / "one").write_text(content)
    with pytest.raises((CommandRefused, ConfigError)) as refused:
        profiles.choose("one", None, None, environ)
    assert not content or content not in str(refused.value)


def test_a_server_shows_no_key_in_its_text(environ: dict[str, str]) -> None:
    assert KEY not in repr(profiles.choose("one", None, None, environ))


def test_profiles_can_be_added_and_listed_and_removed_on_the_command_line(tmp_path: Path) -> None:
    env = {"CSMS_PROFILES_FILE": str(tmp_path / "made" / "profiles.toml")}
    key_file = tmp_path / "key"
    key_file.write_text(KEY)
    add = ("profiles", "add", "depot", "--url", "https://depot.example", "--api-key-file")
    assert "no file" in one_line(csms(*add, str(tmp_path / "absent"), env=env))
    assert csms(*add, str(key_file), "--tenant", "acme", env=env).returncode == 0
    listed = csms("profiles", "list", "--output", "json", env=env).stdout
    assert f'"api_key_file":"{key_file}"' in listed
    assert '"default":true' in listed
    assert KEY not in listed
    assert profiles.choose(None, None, None, env).url == "https://depot.example"
    assert csms("profiles", "remove", "depot", env=env).returncode == 0
    assert "no profile depot" in one_line(csms("profiles", "remove", "depot", env=env))
    assert "has no profiles" in one_line(csms("profiles", "list", env=env))
