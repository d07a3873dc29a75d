from admin.backup_age import BackupAge
from gateway.service.metrics import new_registry
from state.backups import note
from state.store import Store


async def test_the_age_of_the_last_backup_is_exported_and_absent_without_one(store: Store) -> None:
    age = BackupAge(store)
    registry = new_registry(age.readings)
    await age.look()
    assert registry.get_sample_value("csms_backup_age_seconds") is None
    await note.write_success(store, store.server_time_ms() - 60_000, 5)
    await age.look()
    found = registry.get_sample_value("csms_backup_age_seconds")
    assert found is not None
    assert found >= 59
