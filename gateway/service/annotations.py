"""Reads type annotations. Finds the alternatives of a union, and the metadata of Annotated."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, TypeAliasType, Union, get_args, get_origin


def alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the types that a value may have. Type aliases are resolved, and metadata is left out."""
    return tuple(one for one, _ in _unwrap(kind, ()))


def metadata_of(kind: Any) -> tuple[Any, ...]:
    """Return the metadata of an annotation and of its alternatives, the outermost first."""
    return tuple(one for _, found in _unwrap(kind, ()) for one in found)


def choices_of(kind: Any) -> tuple[str, ...]:
    """Return the words of a Literal, or an empty tuple if the annotation has no Literal."""
    return tuple(
        str(word) for one in alternatives(kind) if get_origin(one) is Literal for word in get_args(one)
    )


def _unwrap(kind: Any, found: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    if isinstance(kind, TypeAliasType):
        yield from _unwrap(kind.__value__, found)
    elif get_origin(kind) is Annotated:
        inner, *metadata = get_args(kind)
        yield from _unwrap(inner, (*found, *metadata))
    elif get_origin(kind) in (Union, UnionType):
        for one in get_args(kind):
            yield from _unwrap(one, found)
    else:
        yield kind, found
