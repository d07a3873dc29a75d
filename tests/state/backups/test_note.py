from state.backups import note
from state.backups.note import Note
from state.store import Store


async def test_the_note_of_a_backup_is_read_as_it_was_written(store: Store) -> None:
    assert await note.read(store) == Note("", 0, 0)
    id_ = await note.write_mark(store, "one")
    await note.write_success(store, 1_000, 20)
    assert await note.write_mark(store, "two") == id_
    assert await note.read(store) == Note(id_, 1_000, 20)
