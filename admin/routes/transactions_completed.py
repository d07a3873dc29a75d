"""The route of completed transactions, for programs that bill."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import ROWS_MAX, bodies, describes, invalid, new_blueprint, times
from admin.http.files import CONTENT, Csv, Form, FormatParameter, JsonLines, Row, find_format, respond
from admin.http.listing import Limit
from admin.http.times import Time
from admin.routes.archived_transactions import ArchiveAnswer, find_elsewhere
from admin.routes.completed_transactions import Completed, Wanted, read_all, read_page
from admin.routes.members import ChargePointName
from admin.routes.transaction_answer import OfChargePoint, OfIdTag, TransactionAnswer, answer_transaction
from admin.routes.transaction_files import COMPLETED_COLUMNS, DOWNLOAD_PROBLEM, row_of
from admin.services import Services, services
from state.paging import BadCursor
from state.transactions import completed
from state.transactions.completed import BEGINNING, Changed, Place
from state.transactions.listing import public_id

NEXT_HEADER = "Csms-After"

blueprint = new_blueprint("transactions_completed", "Transactions")


class CompletedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 100
    after: Annotated[
        Annotated[str, msgspec.Meta(max_length=8000)] | None,
        msgspec.Meta(
            description="The opaque text in the member `after` of the previous answer, or in the header "
            "`Csms-After` of the previous file. Omit it to begin with the transaction that was completed "
            "first."
        ),
    ] = None
    charge_point: OfChargePoint = None
    id_tag: OfIdTag = None
    format: FormatParameter = None


class CompletedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of a completed transaction."""

    id: Annotated[str, msgspec.Meta(description="Public id of the transaction.", examples=["CP-1.59791234"])]
    charge_point: ChargePointName
    revision: Annotated[
        int,
        msgspec.Meta(
            description="1 for the first entry of the transaction, and 1 more for each later entry.",
            examples=[1],
        ),
    ]
    changed: Annotated[
        Changed,
        msgspec.Meta(
            description="What happened. `stop`: the StopTransaction came. `end`: an operator ended the "
            "transaction. `stop_after_end`: the StopTransaction came after an operator's end. `joined_stop`: "
            "an operator joined an orphaned stop to the transaction. `contradicting_stop`: another "
            "StopTransaction of the transaction came, which differs from the first. `found`: an older "
            "release of csms completed the transaction.",
            examples=["stop"],
        ),
    ]
    entered_at: Annotated[
        Time, msgspec.Meta(description="When the entry was made, by the clock of the store.")
    ]
    transaction: Annotated[
        TransactionAnswer | None,
        msgspec.Meta(
            description="The transaction as it is now. If its own `revision` is higher, a later entry of "
            "this list follows. null means that the transaction is in an archive that this admin process "
            "cannot read; the member `archive` of the page says where."
        ),
    ]


class CompletedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of completed transactions."""

    items: Annotated[
        tuple[CompletedAnswer, ...],
        msgspec.Meta(description="The entries of this page, in the order of completion."),
    ]
    after: Annotated[
        str,
        msgspec.Meta(
            description="Send this as the parameter `after` of the next request, also if `more` is false."
        ),
    ]
    more: Annotated[bool, msgspec.Meta(description="true means that further entries can be read at once.")]
    gap: Annotated[
        bool,
        msgspec.Meta(
            description="true means that the sent `after` is so old that entries after it may be missing. An "
            "entry is kept for 35 days, and longer if its transaction is still in the store."
        ),
    ]
    archive: Annotated[
        ArchiveAnswer | msgspec.UnsetType,
        msgspec.Meta(
            description="Present if transactions are in an archive that this admin process cannot read. The "
            "member names the host and the directory of the archive."
        ),
    ] = msgspec.UNSET


@blueprint.get("/v1/tenants/<name:tenant>/transactions/completed")
@document_querystring(CompletedQuery)
@document_response(CompletedPage)
@describes(
    responses={
        200: {
            "description": "A page, or a file. The header `Csms-After` of a file is the `after` with which "
            "the next file begins. A file that fails in the middle ends without the end that HTTP requires, "
            "so that the client reports an error.",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/CompletedPage"}},
                **CONTENT,
            },
            "headers": {
                NEXT_HEADER: {
                    "description": "Only with a file: the `after` of the next request.",
                    "schema": {"type": "string"},
                }
            },
        }
    },
    problems={503: DOWNLOAD_PROBLEM},
)
async def list_completed_transactions(tenant: str) -> Response:
    """List the transactions of a tenant in the order in which they were completed, for billing.

    The order is that of the store's clock at the moment when the transaction was completed, so a transaction
    whose StopTransaction came late is at the end of the list. A change of a completed transaction enters it
    again with a higher `revision`. A client that keeps `after` and repeats the request gets each pair of `id`
    and `revision` exactly once, as long as it keeps what it gets together with `after`.
    """
    asked, found = bodies.query(CompletedQuery), services()
    after = _place(asked.after)
    wanted = Wanted(charge_point=asked.charge_point, id_tag=asked.id_tag)
    format_ = find_format(asked.format)
    if format_ != "json":
        end = await completed.find_end(found.store, tenant)
        form: Form = JsonLines() if format_ == "jsonl" else Csv(COMPLETED_COLUMNS, _row_of)
        parts = _answer_all(found, tenant, after, end, wanted)
        return await respond(
            found.downloads, parts, form, "completed-transactions", {NEXT_HEADER: end.encode()}
        )
    page = await read_page(found, tenant, after, wanted, limit=min(asked.limit, ROWS_MAX))
    return bodies.answer(
        CompletedPage(
            items=tuple(map(_answer, page.items)),
            after=page.after.encode(),
            more=page.more,
            gap=page.gap,
            archive=await find_elsewhere(found) or msgspec.UNSET,
        ),
        vary="Accept",
    )


def _place(after: str | None) -> Place:
    """Raises Problem (422)."""
    try:
        return BEGINNING if after is None else Place.parse(after)
    except BadCursor as error:
        raise invalid(f"{error}.", parameter="after") from None


async def _answer_all(
    services: Services, tenant: str, after: Place, end: Place, wanted: Wanted
) -> AsyncGenerator[list[CompletedAnswer]]:
    async with aclosing(read_all(services, tenant, after, end, wanted)) as parts:
        async for part in parts:
            yield list(map(_answer, part))


def _answer(one: Completed) -> CompletedAnswer:
    entry, transaction = one.entry, one.transaction
    return CompletedAnswer(
        id=public_id(entry.charge_point, entry.id),
        charge_point=entry.charge_point,
        revision=entry.revision,
        changed=entry.changed,
        entered_at=times.text(entry.entered_ms),
        transaction=None if transaction is None else answer_transaction(transaction, archived=one.archived),
    )


def _row_of(one: CompletedAnswer) -> Row:
    cells: dict[str, str | int | bool | None] = dict.fromkeys(COMPLETED_COLUMNS)
    if one.transaction is not None:
        cells.update(row_of(one.transaction))
    return {
        **cells,
        "id": one.id,
        "charge_point": one.charge_point,
        "revision": one.revision,
        "changed": one.changed,
        "entered_at": one.entered_at,
    }
