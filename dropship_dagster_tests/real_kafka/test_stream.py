"""The stream's tests on Apache Kafka: topics, consumer, replay, live stream."""

# ruff: noqa: F401 - pytest collects the tests that are imported here
from __future__ import annotations

from dropship_dagster_tests.stream.test_consumer import (
    test_a_batch_is_bounded_by_bytes,
    test_an_empty_partition_is_at_its_end_at_once,
    test_an_offset_the_broker_does_not_hold_is_an_error_with_its_bounds,
    test_batches_are_bounded_and_follow_each_other,
    test_keys_values_and_headers_come_as_they_are,
    test_new_messages_are_waited_for_when_watching,
    test_reading_begins_at_the_offset_and_stops_before_the_end_that_was_asked_for,
    test_several_partitions_are_read_together,
    test_watermarks_and_ids_are_those_of_the_broker,
)
from dropship_dagster_tests.stream.test_live import (
    test_a_run_sends_rate_times_duration_events,
    test_the_same_seed_gives_the_same_bytes_in_one_run_or_in_two,
)
from dropship_dagster_tests.stream.test_replay import (
    test_a_killed_replay_goes_on_where_it_was,
    test_a_message_the_broker_refuses_is_counted_as_failed_and_named,
    test_a_message_too_large_is_named_and_the_others_go_through,
    test_a_second_replay_sends_the_same_bytes,
    test_every_row_arrives_once_with_its_key_time_and_headers,
    test_the_events_of_a_partition_are_in_event_order,
)
from dropship_dagster_tests.stream.test_topics import (
    test_a_topic_is_made_once_and_found_afterwards,
    test_a_topic_made_again_has_another_id,
    test_a_wrong_setting_is_named,
    test_an_unknown_topic_is_named,
    test_another_retention_is_named,
    test_missing_partitions_are_added_and_surplus_ones_named,
)
