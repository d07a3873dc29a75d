"""Make answers from records of the store. Fields with the same name are copied; milliseconds become times."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from admin.http import times
from state.paging import Page


class _Sources(NamedTuple):
    """The fields that an answer copies from a record, and its times with their sources in the record."""

    copied: tuple[str, ...]
    times: tuple[tuple[str, str], ...]


_SOURCES: dict[tuple[object, ...], _Sources] = {}
"""The sources of each kind of answer, by the kind of record. A page may have a thousand records."""


def convert[Answer: msgspec.Struct](record: object, model: type[Answer], **given: Any) -> Answer:
    """Make a `model` from the given fields, and take the other fields from the record.

    A field `x_at` or `x` may come from the field `x_ms` of the record. The values are not validated, so that
    an answer also shows what a gateway of another version stored.
    """
    which = (type(record), model, *given)
    sources = _SOURCES.get(which)
    if sources is None:
        sources = _SOURCES[which] = _find_sources(
            record, [name for name in model.__struct_fields__ if name not in given]
        )
    for name in sources.copied:
        given[name] = getattr(record, name)
    for name, source in sources.times:
        given[name] = times.maybe_text(getattr(record, source))
    return model(**given)


def convert_all[Answer: msgspec.Struct](records: Iterable[object], model: type[Answer]) -> tuple[Answer, ...]:
    return tuple(convert(record, model) for record in records)


def convert_page[Answer](
    page: Page[Any], model: Callable[..., Answer], item: type[msgspec.Struct], **more: Any
) -> Answer:
    return model(items=convert_all(page.items, item), next=page.next, **more)


def _find_sources(record: object, names: Iterable[str]) -> _Sources:
    found = {name: _find_source(record, name) for name in names}
    return _Sources(
        copied=tuple(name for name, source in found.items() if source == name),
        times=tuple((name, source) for name, source in found.items() if source != name),
    )


def _find_source(record: object, name: str) -> str:
    """Return the field of the record from which a field of the answer comes."""
    return name if hasattr(record, name) else f"{name.removesuffix('_at')}_ms"
