"""Make answers of the records of the store. Fields of the same name are copied, milliseconds become times."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from admin.http import times
from state.paging import Page


def convert[Answer: msgspec.Struct](record: object, model: type[Answer], **given: Any) -> Answer:
    """Make a `model` of the given fields and, for the others, of the record.

    A field `x_at` or `x` may come from the `x_ms` of the record. Nothing is validated, so that an answer
    shows what a gateway of another version stored.
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
