"""Make answers from records of the store. Fields with the same name are copied; milliseconds become times."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from admin.http import times
from state.paging import Page

_SOURCES: dict[tuple[object, ...], dict[str, str]] = {}
"""The fields of each kind of record, by the fields of the answer. A page may have a thousand records."""


def convert[Answer: msgspec.Struct](record: object, model: type[Answer], **given: Any) -> Answer:
    """Make a `model` from the given fields, and take the other fields from the record.

    A field `x_at` or `x` may come from the field `x_ms` of the record. The values are not validated, so that
    an answer also shows what a gateway of another version stored.
    """
    which = (type(record), model, *given)
    sources = _SOURCES.get(which)
    if sources is None:
        names = (name for name in model.__struct_fields__ if name not in given)
        sources = _SOURCES[which] = {name: _find_source(record, name) for name in names}
    for name, source in sources.items():
        value = getattr(record, source)
        given[name] = value if source == name else times.maybe_text(value)
    return model(**given)


def convert_all[Answer: msgspec.Struct](records: Iterable[object], model: type[Answer]) -> tuple[Answer, ...]:
    return tuple(convert(record, model) for record in records)


def convert_page[Answer](
    page: Page[Any], model: Callable[..., Answer], item: type[msgspec.Struct], **more: Any
) -> Answer:
    return model(items=convert_all(page.items, item), next=page.next, **more)


def _find_source(record: object, name: str) -> str:
    """Return the field of the record from which a field of the answer comes."""
    return name if hasattr(record, name) else f"{name.removesuffix('_at')}_ms"
