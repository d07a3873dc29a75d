"""Keys of transactions, and of facts that belong to no known transaction."""

from state.retention.kind import Kind

KINDS = (
    Kind(
        "transaction",
        "start, stop and end of a transaction",
        "transaction",
        "when an archived transaction leaves the store, when it is older than "
        "`retention.transactions_days`, or when an operator purges its charge point or tenant; an open "
        "transaction never",
        "without a limit, unless `archive.directory` or `retention.transactions_days` is set",
        (
            "test_nothing_of_a_forgotten_transaction_is_left_but_the_last_id_of_its_charge_point",
            "test_a_finished_transaction_is_archived_and_leaves_the_store_after_its_hot_hours",
            "test_without_an_archive_old_transactions_are_deleted_only_if_a_setting_says_so",
        ),
    ),
    Kind(
        "values",
        "meter values that are not packed",
        "transaction",
        "with the transaction",
        "100,000 messages of a transaction, and 32 MiB of long ones, with the packed ones",
        (
            "test_a_transaction_takes_100000_messages_and_counts_the_rest",
            "test_nothing_of_a_forgotten_transaction_is_left_but_the_last_id_of_its_charge_point",
        ),
    ),
    Kind(
        "packed",
        "packed meter values",
        "transaction",
        "with the transaction",
        "100,000 messages of a transaction, and 32 MiB of long ones, with those that are not packed",
        (
            "test_the_messages_in_blocks_count_too",
            "test_nothing_of_a_forgotten_transaction_is_left_but_the_last_id_of_its_charge_point",
        ),
    ),
    Kind(
        "starts",
        "fingerprints of the starts",
        "charge point",
        "each entry when its transaction leaves the store, or with the charge point",
        "one entry for each transaction",
        ("test_nothing_of_a_forgotten_transaction_is_left_but_the_last_id_of_its_charge_point",),
    ),
    Kind(
        "history",
        "index of the transactions of a charge point",
        "charge point",
        "each entry when its transaction leaves the store",
        "one entry for each transaction",
        ("test_nothing_of_a_forgotten_transaction_is_left_but_the_last_id_of_its_charge_point",),
    ),
    Kind(
        "open",
        "the transaction that runs on each connector",
        "charge point",
        "each entry at the stop or the end of its transaction",
        "one entry for each connector",
        (
            "test_an_ended_transaction_is_not_open_and_shows_its_end_beside_an_empty_stop",
            "test_purging_a_charge_point_leaves_only_the_epoch_of_its_lease_and_the_epoch_expires_after_a_day",
        ),
    ),
    Kind(
        "buried",
        "transactions of a charge point that is being purged",
        "charge point",
        "at the end of the purge",
        "one entry for each transaction",
        ("test_a_second_purge_removes_what_an_interrupted_purge_left_behind",),
    ),
    Kind(
        "orphans",
        "stops of unknown transactions, and stops that contradict the stored one",
        "charge point",
        "when an operator removes them, or with the charge point",
        "the latest 10,000 stops",
        ("test_the_oldest_orphaned_stops_beyond_10000_are_removed_and_counted",),
    ),
    Kind(
        "orphan-order",
        "their order",
        "charge point",
        "with the charge point",
        "10,000 entries",
        ("test_the_oldest_orphaned_stops_beyond_10000_are_removed_and_counted",),
    ),
    Kind(
        "stray-values",
        "meter values of unknown transactions",
        "charge point",
        "with the charge point",
        "the latest 10,000 messages of a charge point; values without a transaction id are not "
        "dropped while a transaction runs on their connector",
        (
            "test_the_oldest_stray_meter_values_beyond_10000_are_removed_and_counted",
            "test_purging_a_charge_point_leaves_only_the_epoch_of_its_lease_and_the_epoch_expires_after_a_day",
        ),
    ),
    Kind(
        "stray-counts",
        "how many such messages there are, and were removed",
        "charge point",
        "with the charge point",
        "two numbers",
        ("test_the_oldest_stray_meter_values_beyond_10000_are_removed_and_counted",),
    ),
)
