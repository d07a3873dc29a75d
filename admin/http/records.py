"""Make answers from records of the store. Fields with the same name are copied; milliseconds become times."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from admin.http import times
from state.paging import Page


def convert[Answer: msgspec.Struct](record: object, model: type[Answer], **given: Any) -> Answer:
    """Make a `model` from the given fields, and take the other fields from the record.

    A field `x_at` or `x` may come from the field `x_ms` of the record. The values are not validated, so that
    an answer also shows what a gateway of another version stored.
    """
    for name in model.__struct_fields__:
        if name not in given:
            given[name] = _read(record, name)
    return model(**given)


def convert_all[Answer: msgspec.Struct](records: Iterable[object], model: type[Answer]) -> tuple[Answer, ...]:
    return tuple(convert(record, model) for record in records)


def convert_page[Answer](
    page: Page[Any], model: Callable[..., Answer], item: type[msgspec.Struct], **more: Any
) -> Answer:
    return model(items=convert_all(page.items, item), next=page.next, **more)


def _read(record: object, name: str) -> Any:
    if hasattr(record, name):
        return getattr(record, name)
    return times.maybe_text(getattr(record, f"{name.removesuffix('_at')}_ms"))
