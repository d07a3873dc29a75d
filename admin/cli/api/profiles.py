"""Which server a command talks to: a profile, the environment, or the data directory of `csms up`."""

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from admin.cli.data_dir import DEMO_TENANT, to_toml
from admin.cli.failures import CommandRefused
from gateway.service.config import read_secret
from state.durable import write_private

DEFAULT_DATA_DIR = Path("csms-data")
_HOW = (
    "give --profile or --data-dir, set CSMS_API_URL and CSMS_API_KEY_FILE, or make a profile with "
    "csms profiles add"
)


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """The address of an admin API, and what a command needs to use it."""

    url: str
    api_key: str
    key_from: str
    """Where the API key comes from, for error texts."""
    tenant: str | None
    ca_file: Path | None = None

    def __repr__(self) -> str:
        return f"<Server {self.url}>"


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A server in the file of profiles. The file has the name of the file with the key, and not the key."""

    url: str
    api_key_file: str
    tenant: str | None = None
    ca_file: str | None = None


class Profiles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    default: str | None = None
    profiles: dict[str, Profile] = {}


def choose(
    profile: str | None, data_dir: Path | None, tenant: str | None, environ: Mapping[str, str]
) -> Server:
    """Return the server of a command. Raises CommandRefused, ConfigError.

    The address and the API key always come from the same place, so that no key goes to another's server.
    """
    server = _choose(profile, data_dir, environ)
    return server if tenant is None else msgspec.structs.replace(server, tenant=tenant)


def _choose(profile: str | None, data_dir: Path | None, environ: Mapping[str, str]) -> Server:
    if profile is not None and data_dir is not None:
        raise CommandRefused("--profile and --data-dir name two servers; give only one of them")
    if data_dir is not None:
        return _read_data_dir(data_dir)
    if profile is not None:
        return _read_profile(profile, environ)
    if environ.get("CSMS_PROFILE") and environ.get("CSMS_API_URL"):
        raise CommandRefused("CSMS_PROFILE and CSMS_API_URL name two servers; set only one of them")
    if named := environ.get("CSMS_PROFILE"):
        return _read_profile(named, environ)
    if environ.get("CSMS_API_URL"):
        return _read_environment(environ)
    if (DEFAULT_DATA_DIR / "admin.toml").exists():
        return _read_data_dir(DEFAULT_DATA_DIR)
    if (default := read(environ).default) is not None:
        return _read_profile(default, environ)
    raise CommandRefused(f"no server is named; {_HOW}")


def path(environ: Mapping[str, str]) -> Path:
    """Return the path of the file of profiles."""
    if named := environ.get("CSMS_PROFILES_FILE"):
        return Path(named)
    base = environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "csms" / "profiles.toml"


def read(environ: Mapping[str, str]) -> Profiles:
    """Read the file of profiles; an absent file has none. Raises CommandRefused."""
    file = path(environ)
    try:
        with file.open("rb") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            if mode & 0o077:
                raise CommandRefused(
                    f"{file} has mode {mode:04o}, so others could change or read where your keys go; "
                    f"run chmod 600 {file}"
                )
            return msgspec.convert(tomllib.load(opened), Profiles)
    except FileNotFoundError:
        return Profiles()
    except OSError as error:
        raise CommandRefused(f"cannot read {file}: {error.strerror}") from None
    except (msgspec.ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandRefused(
            f"{file}: {error}; a profile is a section [profiles.NAME] with url, api_key_file, tenant and "
            "ca_file"
        ) from None


def write(environ: Mapping[str, str], content: Profiles) -> None:
    """Replace the file of profiles. Raises OSError."""
    lines = [] if content.default is None else [f"default = {to_toml(content.default)}"]
    for name, profile in content.profiles.items():
        members: dict[str, Any] = msgspec.to_builtins(profile)
        lines += [f"[profiles.{to_toml(name)}]", *(f"{key} = {to_toml(of)}" for key, of in members.items())]
    file = path(environ)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(file, ("\n".join(lines) + "\n").encode())


def check_url(url: str, source: str) -> str:
    """Return the address of an admin API without a slash at its end. Raises CommandRefused."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        good = False
        parts = urlsplit("")
    if not good or parts.query or parts.fragment or parts.username or parts.password:
        raise CommandRefused(
            f"{source} is not the address of an admin API; write it like https://csms.example.com"
        )
    return url.rstrip("/")


def _read_profile(name: str, environ: Mapping[str, str]) -> Server:
    found = read(environ)
    if name not in found.profiles:
        known = ", ".join(sorted(found.profiles)) or "none; csms profiles add makes one"
        raise CommandRefused(f"{path(environ)} has no profile {name}; its profiles are: {known}")
    profile, base = found.profiles[name], path(environ).parent
    key_file = base / Path(profile.api_key_file).expanduser()
    return Server(
        url=check_url(profile.url, f"the url of the profile {name}"),
        api_key=_read_key("api_key_file", key_file),
        key_from=str(key_file),
        tenant=profile.tenant,
        ca_file=None if profile.ca_file is None else base / Path(profile.ca_file).expanduser(),
    )


def _read_environment(environ: Mapping[str, str]) -> Server:
    key, key_file = environ.get("CSMS_API_KEY"), environ.get("CSMS_API_KEY_FILE")
    if bool(key) == bool(key_file):
        raise CommandRefused("CSMS_API_URL needs an API key; set either CSMS_API_KEY_FILE or CSMS_API_KEY")
    ca_file = environ.get("CSMS_CA_FILE")
    return Server(
        url=check_url(environ["CSMS_API_URL"], "CSMS_API_URL"),
        api_key=_check_key(key, "CSMS_API_KEY")
        if key
        else _read_key("CSMS_API_KEY_FILE", Path(key_file or "")),
        key_from="CSMS_API_KEY" if key else str(key_file),
        tenant=environ.get("CSMS_TENANT") or None,
        ca_file=Path(ca_file) if ca_file else None,
    )


def _read_data_dir(directory: Path) -> Server:
    config = directory / "admin.toml"
    try:
        listen = tomllib.loads(config.read_text("utf-8"))["listen"]
        url = f"http://{listen['host']}:{int(listen['port'])}"
    except FileNotFoundError:
        raise CommandRefused(
            f"{directory} is not the data directory of a csms up, because it has no admin.toml; {_HOW}"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandRefused(f"cannot read {config}: {error}; csms up writes it at every start") from None
    key_file = directory / "api-key"
    return Server(
        url=url, api_key=_read_key("--data-dir", key_file), key_from=str(key_file), tenant=DEMO_TENANT
    )


def _read_key(setting: str, file: Path) -> str:
    return _check_key(read_secret(setting, file).decode().strip(), str(file))


def _check_key(key: str, source: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise CommandRefused(f"{source} holds no API key; a key looks like csms_..., on one line")
    return key
