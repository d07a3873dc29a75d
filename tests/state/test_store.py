from state.store import Store


async def test_a_value_comes_back_as_bytes(store: Store) -> None:
    assert await store.execute("SET", "k", "v") == b"OK"
    assert await store.execute("GET", "k") == b"v"
    assert store.available
