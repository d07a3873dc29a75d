"""The bounds of all settings of a process, and a check that values beyond them are refused."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from msgspec import Meta
from msgspec.structs import fields

from gateway.service.config import ConfigError, load
from gateway.service.settings import section_of

REQUIRED = {"CSMS__STORE__URL": "redis://localhost", "CSMS__SECURITY__PEPPER": "x" * 32}


class Setting(NamedTuple):
    """A setting with its annotations, and the classes in its type."""

    section: str
    name: str
    metas: list[Meta]
    kinds: set[type]


class Bound(NamedTuple):
    """A setting with a bound: the last value that is accepted, and the first value that is refused.

    `words` are the words for the bound in an error.
    """

    section: str
    name: str
    inside: float
    outside: float
    words: str


def list_settings(config: type[msgspec.Struct], section: str = "") -> Iterator[Setting]:
    for field in fields(config):
        if (inner := section_of(field.type)) is not None and not section:
            yield from list_settings(inner, field.encode_name)
        else:
            parts = list(_parts(field.type))
            metas = [meta for part in parts for meta in getattr(part, "__metadata__", ())]
            kinds = {part for part in parts if isinstance(part, type)}
            yield Setting(section, field.encode_name, metas, kinds)


def list_bounds(config: type[msgspec.Struct]) -> Iterator[Bound]:
    for section, name, metas, kinds in list_settings(config):
        step = 1e-9 if float in kinds else 1
        for meta in metas:
            if meta.ge is not None:
                yield Bound(section, name, meta.ge, meta.ge - step, f"at least {meta.ge}")
            if meta.gt is not None:
                yield Bound(section, name, meta.gt + step, meta.gt, f"above {meta.gt}")
            if meta.le is not None:
                outside = math.inf if float in kinds else meta.le + 1
                yield Bound(section, name, meta.le, outside, f"at most {meta.le}")


def check_bound(config: type[msgspec.Struct], bound: Bound, directory: Path) -> None:
    """Check both ways of setting a value, the file and the environment variable. Each must accept `inside`
    and refuse `outside`.

    The error must name the setting, the bound and the value.
    """
    path = directory / "settings.toml"
    variable = f"CSMS__{bound.section}__{bound.name}".upper()
    path.write_text(f"[{bound.section}]\n{bound.name} = {bound.inside!r}\n")
    assert load(config, path, REQUIRED) == load(config, None, REQUIRED | {variable: repr(bound.inside)})
    path.write_text(f"[{bound.section}]\n{bound.name} = {bound.outside!r}\n")
    forms: list[tuple[str, Path | None, dict[str, str]]] = [
        (f"{bound.section}.{bound.name}", path, {}),
        (variable, None, {variable: repr(bound.outside)}),
    ]
    for name, source, variables in forms:
        with pytest.raises(ConfigError) as refused:
            load(config, source, REQUIRED | variables)
        assert f"{name}: expected " in str(refused.value)
        assert str(refused.value).endswith(f" {bound.words}, got {bound.outside!r}")


def _parts(kind: Any) -> Iterator[Any]:
    yield kind
    origin = getattr(kind, "__origin__", None)
    for part in (*getattr(kind, "__args__", ()), *(() if origin is None else (origin,))):
        yield from _parts(part)
