"""Keys of tenants, and of partitions, which several tenants share."""

from state.retention.kind import Kind

KINDS = (
    Kind(
        "events",
        "events of a tenant",
        "tenant",
        "each event after 6 to 7.5 hours, although up to 100 older events may remain; a stream "
        "without new events as a whole",
        "10,000 events of each partition",
        (
            "test_old_events_are_removed_and_an_event_stream_without_new_events_expires",
            "test_a_full_event_stream_reports_a_gap_only_to_readers_that_have_missed_dropped_events",
        ),
    ),
    Kind(
        "charge-points",
        "index of the charge points",
        "tenant",
        "each entry with its charge point",
        "about 500,000 that registered themselves, and what operators make beyond that",
        (
            "test_deleting_a_charge_point_leaves_only_the_epoch_of_its_lease_and_the_epoch_expires_after_a_day",
            "test_a_tenant_with_too_many_charge_points_registers_no_further_one_by_itself",
        ),
    ),
    Kind(
        "transactions",
        "index of the transactions",
        "tenant",
        "each entry when its transaction leaves the store",
        "one entry for each transaction",
        ("test_nothing_of_a_forgotten_transaction_is_left_but_the_last_id_of_its_charge_point",),
    ),
    Kind(
        "open-transactions",
        "index of the open transactions",
        "tenant",
        "each entry at the stop or the end of its transaction",
        "one entry for each open transaction",
        ("test_an_ended_transaction_is_not_open_and_shows_its_end_beside_an_empty_stop",),
    ),
    Kind(
        "unpacked",
        "finished transactions whose meter values are not packed",
        "partition",
        "each entry when its transaction is packed",
        "one entry for each finished transaction",
        (
            "test_all_messages_of_a_stopped_transaction_are_packed_and_read_as_before",
            "test_the_queue_forgets_a_transaction_that_is_gone",
        ),
    ),
    Kind(
        "unarchived",
        "packed transactions that are not in the archive",
        "partition",
        "each entry when its transaction is archived, or leaves the store",
        "one entry for each finished transaction",
        (
            "test_a_marked_transaction_is_not_due_and_shows_its_file",
            "test_nothing_of_a_forgotten_transaction_is_left_but_the_last_id_of_its_charge_point",
        ),
    ),
    Kind(
        "archived",
        "archived transactions that are still in the store",
        "partition",
        "each entry when its transaction leaves the store, which is `retention.transactions_hot_h` "
        "hours after its stop",
        "one entry for each finished transaction",
        (
            "test_a_finished_transaction_is_archived_and_leaves_the_store_after_its_hot_hours",
            "test_nothing_of_a_forgotten_transaction_is_left_but_the_last_id_of_its_charge_point",
        ),
    ),
    Kind(
        "overdue",
        "commands by their deadlines",
        "partition",
        "each entry when its command ends",
        "one entry for each waiting command",
        (
            "test_the_sweep_ends_all_overdue_commands_in_batches_of_limited_size",
            "test_the_sweep_removes_the_remains_of_a_command_whose_record_is_gone",
        ),
    ),
    Kind(
        "data-transfer-vendors",
        "DataTransfer vendors",
        "tenant",
        "with the tenant",
        "200 vendors",
        (
            "test_a_tenant_can_have_at_most_200_vendors",
            "test_vendors_are_deleted_when_their_tenant_is_deleted",
        ),
    ),
    Kind(
        "issued-certificates",
        "index of the client certificates that csms issued",
        "tenant",
        "each entry when its certificate may not be used any more, or with the tenant",
        "16 certificates of each charge point",
        ("test_a_certificate_that_may_not_be_used_is_not_listed_and_is_removed_by_the_next_turn",),
    ),
    Kind(
        "id-tags",
        "index of the id tags",
        "tenant",
        "with the tenant",
        "what operators make",
        ("test_deleting_a_tenant_without_charge_points_deletes_its_tokens_too",),
    ),
    Kind(
        "id-tag",
        "an id tag",
        "tenant",
        "when an operator deletes it, or with the tenant",
        "what operators make",
        ("test_deleting_a_tenant_without_charge_points_deletes_its_tokens_too",),
    ),
    Kind(
        "holds",
        "transactions that an id tag has at once",
        "tenant",
        "3 h after it was prolonged, which happens every hour while the transaction is open",
        "`max_active_transactions` of the id tag",
        (
            "test_the_redis_key_with_the_transaction_slots_of_an_id_tag_expires_together_with_the_last_slot",
            "test_an_id_tag_at_its_limit_is_answered_concurrent_tx_until_a_transaction_ends_and_frees_a_slot",
        ),
    ),
    Kind(
        "tokens",
        "the tenant itself, and its tokens",
        "tenant",
        "with the tenant",
        "what operators make",
        ("test_deleting_a_tenant_without_charge_points_deletes_its_tokens_too",),
    ),
    Kind(
        "token-ids",
        "index of the tokens",
        "tenant",
        "with the tenant",
        "what operators make",
        ("test_deleting_a_tenant_without_charge_points_deletes_its_tokens_too",),
    ),
    Kind(
        "traces",
        "index of the running traces",
        "tenant",
        "each entry at the end of its trace",
        "100 running traces",
        ("test_a_tenant_can_have_at_most_100_running_traces",),
    ),
    Kind(
        "spellings",
        "spellings of a charge point id",
        "tenant",
        "each entry with its charge point",
        "one entry for each charge point",
        (
            "test_deleting_a_charge_point_leaves_only_the_epoch_of_its_lease_and_the_epoch_expires_after_a_day",
        ),
    ),
    Kind(
        "command",
        "a command, also by its Idempotency-Key",
        "command",
        "24 h after the end of the command",
        "65,536 bytes of payload",
        ("test_the_record_of_a_command_is_kept_for_a_day_after_its_outcome_is_stored",),
    ),
)
