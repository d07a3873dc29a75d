#!/usr/bin/env python3
"""Print which Python packages are installed, as CycloneDX 1.6 JSON: `sbom.py PRODUCT DIRECTORY...`.

The script lists the packages of the Python that runs it. DIRECTORY has the wheels from which the packages
were installed, and the list has the SHA-256 of each. The output has no time and no random number, so that
equal contents give equal files.
"""

import hashlib
import json
import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path


def normalised(name: str) -> str:
    """Return the form of a package's name that package URLs use."""
    return re.sub(r"[-_.]+", "-", name).lower()


def hashes_of_wheels(directories: list[Path]) -> dict[tuple[str, str], str]:
    """Return the SHA-256 of each wheel by name and version."""
    found = {}
    for wheel in (file for directory in directories for file in directory.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        found[normalised(name), version] = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return found


def reference(package: Distribution) -> str:
    return f"pkg:pypi/{normalised(package.name)}@{package.version}"


def component(package: Distribution, hashes: dict[tuple[str, str], str]) -> dict[str, object]:
    """Describe one package. Only a licence that its author wrote as an SPDX expression is repeated."""
    described: dict[str, object] = {
        "type": "library",
        "bom-ref": reference(package),
        "name": normalised(package.name),
        "version": package.version,
        "purl": reference(package),
    }
    if digest := hashes.get((normalised(package.name), package.version)):
        described["hashes"] = [{"alg": "SHA-256", "content": digest}]
    if expression := package.metadata.get("License-Expression"):
        described["licenses"] = [{"expression": expression}]
    return described


def needs(package: Distribution, installed: dict[str, Distribution]) -> list[str]:
    """Return the installed packages that this package asks for, those for its extras included."""
    names = {normalised(found[0]) for line in package.requires or () if (found := re.match(r"[\w.-]+", line))}
    return sorted(reference(installed[name]) for name in names if name in installed)


def bill(product: str, directories: list[Path]) -> dict[str, object]:
    """Return the list of packages. `product` is the package that the others were installed for."""
    installed = {normalised(package.name): package for package in distributions()}
    hashes = hashes_of_wheels(directories)
    main = installed[product]
    others = [installed[name] for name in sorted(installed) if name != product]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**component(main, hashes), "type": "application"}},
        "components": [component(package, hashes) for package in others],
        "dependencies": [
            {"ref": reference(package), "dependsOn": needs(package, installed)} for package in (main, *others)
        ],
    }


if __name__ == "__main__":
    print(json.dumps(bill(sys.argv[1], [Path(given) for given in sys.argv[2:]]), indent=1))  # noqa: T201
