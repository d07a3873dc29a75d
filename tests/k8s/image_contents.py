"""Runs inside the image and prints what is in it. `image_check.py` gives this file to Python as its input."""

import json
import os
import re
import stat
import sys
from importlib.metadata import distributions
from pathlib import Path

UNWANTED = {
    "compilers": re.compile(
        r"/(s?bin|libexec|lib/gcc.*)/(.*-)?(gcc|g\+\+|cc|c\+\+|cc1|clang|ld|as|make|go|rustc|cargo)(-[\d.]+)?$"
    ),
    "installers of Python packages and their caches": re.compile(
        r"/(pip\d*[\d.]*|ensurepip|uv)$|/\.cache/|\.whl$|/python-wheels/.|/var/cache/apt/.|/var/lib/apt/lists/."
    ),
    "files of the machine that built it": re.compile(r"^/(build|opt/pip)/|/pip\.conf$|/\.netrc$"),
}
PRIVATE_KEY = re.compile(rb"^-----BEGIN ([A-Z]+ )*PRIVATE KEY-----\r?\n[A-Za-z0-9+/=]{40}", re.MULTILINE)
READ_MAX = 1_000_000


def walk(root: str, device: int) -> list[Path]:
    """Return every file and directory of the image, and nothing of what the engine mounts into it."""
    found = []
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if os.lstat(f"{directory}/{name}").st_dev == device]
        found += [Path(directory, name) for name in (*names, *files)]
    return [path for path in found if path.lstat().st_dev == device]


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def has_private_key(path: Path, info: os.stat_result) -> bool:
    return (
        stat.S_ISREG(info.st_mode) and info.st_size < READ_MAX and bool(PRIVATE_KEY.search(path.read_bytes()))
    )


def main() -> None:
    infos = {path: path.lstat() for path in walk("/", os.lstat("/").st_dev)}
    regular = {path: info for path, info in infos.items() if stat.S_ISREG(info.st_mode)}
    unwanted = {
        kind: [str(path) for path in infos if pattern.search(str(path))] for kind, pattern in UNWANTED.items()
    }
    unwanted["files that change the user"] = [
        str(path) for path, info in regular.items() if info.st_mode & (stat.S_ISUID | stat.S_ISGID)
    ]
    unwanted["files that every user may write"] = [
        str(path) for path, info in regular.items() if info.st_mode & stat.S_IWOTH
    ]
    unwanted["private keys"] = [str(path) for path, info in infos.items() if has_private_key(path, info)]
    bill = json.loads(Path("/opt/csms/sbom.cdx.json").read_text())
    listed = [bill["metadata"]["component"], *bill["components"]]
    found = {
        "bytes": sum({(info.st_dev, info.st_ino): info.st_size for info in regular.values()}.values()),
        "files": len(regular),
        "python": sys.version_info[:2],
        "system": Path("/etc/os-release").read_text(),
        "unwanted": unwanted,
        "packages": {normalised(package.name): package.version for package in distributions()},
        "listed": {entry["name"]: entry["version"] for entry in listed},
        "without_hash": [entry["name"] for entry in listed if "hashes" not in entry],
    }
    print(json.dumps(found))  # noqa: T201  the purpose of the program


main()
