import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from state.store import Store
from state.tenants import id_tags
from state.tenants.id_tags import IdTag, fold


async def test_an_id_tag_is_found_in_upper_and_lower_case_and_is_returned_as_it_was_stored(
    store: Store,
) -> None:
    tag = IdTag(
        tag="AbC 1;2",
        status="Blocked",
        expiry_date="2030-01-01T00:00:00Z",
        parent_id_tag="Boss",
        max_active_transactions=2,
    )
    assert await id_tags.put(store, "demo", tag)
    assert await id_tags.get(store, "demo", "aBc 1;2") == tag
    assert await id_tags.get(store, "other", "AbC 1;2") is None
    again = IdTag(tag="ABC 1;2")
    assert not await id_tags.put(store, "demo", again)
    assert await id_tags.get(store, "demo", "abc 1;2") == again
    assert await id_tags.delete(store, "demo", "aBC 1;2")
    assert not await id_tags.delete(store, "demo", "aBC 1;2")
    assert await id_tags.get(store, "demo", "abc 1;2") is None


async def test_only_the_ascii_letters_of_an_id_tag_are_compared_without_case(store: Store) -> None:
    await id_tags.put(store, "demo", IdTag(tag="É"))
    assert await id_tags.get(store, "demo", "é") is None
    assert await id_tags.get(store, "demo", "É") is not None


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_case_folding_of_an_id_tag_changes_only_the_letters_a_to_z(tag: str) -> None:
    assert fold(tag) == "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in tag)


async def test_id_tags_are_listed_in_pages_in_the_order_of_their_lower_case_spelling(store: Store) -> None:
    names = ["d", "B", "a", "C", "e"]
    for name in names:
        await id_tags.put(store, "demo", IdTag(tag=name))
    found: list[str] = []
    cursor = None
    with trio.fail_after(60):
        while True:
            page = await id_tags.list_(store, "demo", cursor=cursor, limit=2)
            found += [tag.tag for tag in page.items]
            if (cursor := page.next) is None:
                break
    assert found == ["a", "B", "C", "d", "e"]


@pytest.mark.parametrize("tag", ["", "{x}", "a/b", "%41", "\n"])
async def test_any_text_can_be_an_id_tag(store: Store, tag: str) -> None:
    await id_tags.put(store, "demo", IdTag(tag=tag))
    assert await id_tags.get(store, "demo", tag) == IdTag(tag=tag)
