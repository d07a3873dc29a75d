"""The data directory of one `csms up`: its lock, its secrets and the configuration files of the children."""

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from state.durable import write_private

DEMO_TENANT = "demo"
"""The tenant that `csms up` makes, and to which the token in the data directory belongs."""
SECRET_CHARACTERS = 32  # The shortest pepper that the processes accept.


class DataDirUnusable(Exception):  # noqa: N818  it is a sentence for a person
    """The data directory cannot be used. The text of the error is one line that gives the reason."""


@contextmanager
def open_data_dir(path: Path) -> Iterator[Path]:
    """Make the data directory if it does not exist, and lock it. Raises DataDirUnusable."""
    path = path.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (FileExistsError, NotADirectoryError):
        raise DataDirUnusable(
            f"the data directory {path} cannot be made because a part of the path is a file; "
            "give another --data-dir"
        ) from None
    except OSError as error:
        raise DataDirUnusable(
            f"the data directory {path} cannot be written ({error.strerror}); give another --data-dir"
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
            raise DataDirUnusable(
                f"another csms up (process {owner or 'unknown'}) uses the data directory {path}; "
                "stop it, or give another --data-dir"
            ) from None
        try:
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise DataDirUnusable(
                f"the data directory {path} cannot be written ({error.strerror}); make room, or give another"
                " --data-dir"
            ) from None
        yield path
    finally:
        os.close(lock)


def ensure_secret(path: Path) -> str:
    """Return the secret in the file `path`. If the file is absent, make a new secret. Raises DataDirUnusable.

    A damaged secret is not replaced, because every token and key that was made with the secret would become
    invalid.
    """
    try:
        secret = path.read_bytes().strip()
    except FileNotFoundError:
        return _create_secret(path)
    except OSError as error:
        raise DataDirUnusable(f"cannot read {path}: {error.strerror}") from None
    if len(secret) < SECRET_CHARACTERS or not secret.isascii():
        raise DataDirUnusable(
            f"{path} is damaged; restore it from a backup, or delete it and make new tokens and API keys"
        )
    return secret.decode("ascii")


def _create_secret(path: Path) -> str:
    secret = secrets.token_urlsafe(32)
    write_secret(path, secret)
    return secret


def write_secret(path: Path, secret: str) -> None:
    """Write a file that only its owner may read. Raises DataDirUnusable."""
    try:
        write_private(path, f"{secret}\n".encode())
    except OSError as error:
        raise DataDirUnusable(f"cannot write {path}: {error.strerror}") from None


def write_config(path: Path, sections: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write a TOML file with these sections. A setting may be a plain value, a list or a list of tables."""
    lines: list[str] = ["# csms up writes this file at every start; changes here are lost."]
    for section, settings in sections.items():
        lines += [f"[{section}]", *(f"{key} = {to_toml(value)}" for key, value in settings.items())]
    write_secret(path, "\n".join(lines))
    return path


def to_toml(value: Any) -> str:
    """Return the value as TOML writes it."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {to_toml(part)}" for key, part in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    # TOML writes strings, numbers and booleans in the same way as JSON.
    return msgspec.json.encode(str(value) if isinstance(value, Path) else value).decode()
