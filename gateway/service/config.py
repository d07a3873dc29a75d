"""Reads the configuration of a process from a TOML file and `CSMS__SECTION__KEY` variables into a Struct."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import FieldInfo, fields

from gateway.service.secrets import names_secret
from gateway.service.settings import element_of, explain, is_text, section_of, struct_of

PREFIX = "CSMS__"
# `csms up` sets this for the processes that it starts (ready.py); it is not a setting.
_NOT_SETTINGS = {"READY_FD"}
_SECRET_BYTES_MAX = 65_536
_PASSWORD_IN_URL = re.compile(r"://[^/@\s]*:[^/\s]+@")

type Struct = type[msgspec.Struct]
type Name = tuple[str, ...]


class ConfigError(Exception):
    """The configuration cannot be used. The text is one line for the operator and contains no secret."""

    def __init__(self, text: str) -> None:
        super().__init__("".join(part if part.isprintable() else repr(part)[1:-1] for part in text))


def load[T: msgspec.Struct](
    kind: type[T], path: Path | None, environ: Mapping[str, str], prefix: str = PREFIX
) -> T:
    """Read the settings from the file `path` and from environment variables, and convert them to `kind`.

    A variable overrides the same setting in the file. `path` None means that there is no file. A text setting
    `x` may be given as `x_file`, the name of a file that contains the text. In the TOML file a secret must be
    given in this form. A list in a variable is separated by commas or written as JSON. Raises ConfigError.
    """
    source = str(path) if path else "configuration"
    tree = _read_toml(path) if path else {}
    if unknown := next(_find_unknown(kind, tree), None):
        raise ConfigError(f"{source}: unknown key {'.'.join(unknown)}; {_suggest(kind, unknown, '.'.join)}")
    _refuse_secrets(tree, source, ())
    for variable in sorted(environ):
        if variable.startswith(prefix) and variable.removeprefix(prefix) not in _NOT_SETTINGS:
            _lay_over(kind, tree, variable, environ[variable], prefix)
    _read_files(kind, tree, ())
    if missing := list(_find_missing(kind, tree, ())):
        names = " and ".join(".".join(name) for name in missing)
        keys = " and ".join(_key_in_file(name) for name in missing)
        variables = " and ".join(_variable(name, prefix) for name in missing)
        verb = "is" if len(missing) == 1 else "are"
        raise ConfigError(
            f"{source}: {names} {verb} missing; set {keys} in the configuration file, or the "
            f"variable{'s' * (len(missing) > 1)} {variables}"
        )
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {explain(error, kind, tree)}") from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: the configuration is not UTF-8 text; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {' '.join(str(error).split())}") from None


def _settings(kind: Struct) -> dict[str, tuple[FieldInfo, bool]]:
    """Return the field of every key of a section, and whether the key names a file that holds the value."""
    named = {field.encode_name: field for field in fields(kind)}
    files = {f"{name}_file": (field, True) for name, field in named.items() if is_text(field.type)}
    return files | {name: (field, False) for name, field in named.items()}


def _find_unknown(kind: Struct, tree: Any, above: Name = ()) -> Iterator[Name]:
    if not isinstance(tree, dict):
        return  # `msgspec.convert` will report the wrong type.
    settings = _settings(kind)
    for key, value in tree.items():
        if key not in settings:
            yield (*above, key)
        elif (inner := section_of(settings[key][0].type)) is not None:
            for part in value if isinstance(value, list) else [value]:
                yield from _find_unknown(inner, part, (*above, key))


def _refuse_secrets(tree: Any, source: str, above: Name) -> None:
    if isinstance(tree, dict):
        for key, value in tree.items():
            _refuse_secrets(value, source, (*above, key))
    elif isinstance(tree, str) and (_is_secret(above[-1]) or _PASSWORD_IN_URL.search(tree)):
        name = ".".join(above)
        wrong = "is a secret" if _is_secret(above[-1]) else "contains a password"
        raise ConfigError(
            f"{source}: {name} {wrong}, which must not be in this file; put the value into a file of its own "
            f"and give that file's name as {name}_file, or set the variable {_variable(above, PREFIX)}"
        )


def _lay_over(kind: Struct, tree: dict[str, Any], variable: str, text: str, prefix: str) -> None:
    """Put the value of one variable into the tree, where it replaces `x` and `x_file`."""
    *above, key = name = tuple(variable.removeprefix(prefix).lower().split("__"))
    section: dict[str, Any] = tree
    inner: Struct | None = kind
    for part in above:
        field, _ = _settings(inner).get(part, (None, False)) if inner else (None, False)
        inner = struct_of(field.type) if field else None
        section = section.setdefault(part, {}) if inner else section
        if not isinstance(section, dict):
            raise ConfigError(
                f"{part} must be a section of settings in the configuration file; write [{part}] and its "
                "settings below"
            )
    field, names_file = _settings(inner).get(key, (None, False)) if inner else (None, False)
    if field is None:
        hint = _suggest(kind, name, lambda near: _variable(near, prefix))
        raise ConfigError(f"unknown variable {variable}; {hint}")
    if (section_kind := struct_of(field.type)) is not None:
        example = _variable((*name, fields(section_kind)[0].encode_name), prefix)
        raise ConfigError(f"{variable} names a section; set one of its settings, such as {example}")
    section[key] = text if names_file else _from_text(variable, text, field.type)
    if is_text(field.type):
        section.pop(field.encode_name if names_file else f"{key}_file", None)


def _from_text(variable: str, text: str, kind: Any) -> Any:
    value: Any = text
    try:
        if element_of(kind) is not None:
            is_json = text.lstrip().startswith("[")
            value = (
                msgspec.json.decode(text) if is_json else [part.strip() for part in text.split(",") if part]
            )
        return msgspec.to_builtins(msgspec.convert(value, kind, strict=False))
    except msgspec.ValidationError as error:
        raise ConfigError(f"{variable}: {explain(error, kind, value)}") from None
    except msgspec.DecodeError:
        raise ConfigError(
            f"{variable}: the list begins with [ but is not valid JSON; "
            "give a JSON list, or texts separated by commas"
        ) from None


def _read_files(kind: Struct, tree: Any, above: Name) -> None:
    """Replace every `x_file` by `x` with the content of the file, without the line end."""
    if not isinstance(tree, dict):
        return
    for key, (field, names_file) in _settings(kind).items():
        inner = struct_of(field.type)
        if inner is not None and key in tree:
            _read_files(inner, tree[key], (*above, key))
        if not names_file or key not in tree:
            continue
        setting = ".".join((*above, key))
        if field.encode_name in tree:
            raise ConfigError(
                f"both {setting.removesuffix('_file')} and {setting} are set; set only one of them"
            )
        tree[field.encode_name] = read_secret(setting, Path(str(tree.pop(key)))).decode()


def read_secret(setting: str, path: Path) -> bytes:
    """Return the content of a secret's file without the line end. The file has at most 64 KiB of UTF-8.

    An error names the file and `setting`. Raises ConfigError.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_SECRET_BYTES_MAX + 1)
        content.decode()
    except OSError as error:
        raise ConfigError(f"{setting}: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{setting}: {path} is not UTF-8 text; save it as UTF-8") from None
    content = content.rstrip(b"\r\n")
    if not content:
        raise ConfigError(f"{setting}: {path} is empty; it must hold the value of the setting")
    if len(content) > _SECRET_BYTES_MAX:
        raise ConfigError(f"{setting}: {path} is too long; at most {_SECRET_BYTES_MAX:,} bytes are allowed")
    return content


def _find_missing(kind: Struct, tree: Any, above: Name) -> Iterator[Name]:
    if not isinstance(tree, dict):
        return
    for field in fields(kind):
        name = (*above, field.encode_name)
        inner = struct_of(field.type)
        if inner is not None and (field.required or field.encode_name in tree):
            yield from _find_missing(inner, tree.get(field.encode_name, {}), name)
        elif field.required and field.encode_name not in tree:
            yield name


def _key_in_file(name: Name) -> str:
    """Return the key to use in the TOML file. For a secret this is the key with `_file` at its end."""
    return ".".join(name) + ("_file" if _is_secret(name[-1]) else "")


def _is_secret(setting: str) -> bool:
    return names_secret(setting) and not setting.endswith("_file")


def _list_names(kind: Struct, above: Name = ()) -> Iterator[Name]:
    for field in fields(kind):
        name = (*above, field.encode_name)
        yield name
        if (inner := section_of(field.type)) is not None:
            yield from _list_names(inner, name)


def _suggest(kind: Struct, wrong: Name, spell: Callable[[Name], str]) -> str:
    """Return the last part of an error text, which names a similar setting or the settings of the section."""
    known = {".".join(name): name for name in _list_names(kind)}
    by_last = {name[-1]: name for name in known.values()}
    for text, names, cutoff in ((".".join(wrong), known, 0.8), (wrong[-1], by_last, 0.75)):
        if near := get_close_matches(text, names, 1, cutoff):
            return f"did you mean {spell(names[near[0]])}?"
    if beside := [name[-1] for name in known.values() if name[:-1] == wrong[:-1] != ()]:
        return f"the settings of {'.'.join(wrong[:-1])} are {', '.join(beside)}"
    return f"the sections are {', '.join(name[0] for name in known.values() if len(name) == 1)}"


def _variable(name: Name, prefix: str) -> str:
    return prefix + "__".join(name).upper()
