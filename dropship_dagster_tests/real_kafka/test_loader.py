"""The loader's tests on Apache Kafka: FAULTS of topics, offsets and partitions, and sequences that PROD must fold."""

# ruff: noqa: F401 - pytest collects the tests that are imported here
from __future__ import annotations

from dropship_dagster_tests.warehouse.pipeline import Pipeline
from dropship_dagster_tests.warehouse.test_fold import run_rounds
from dropship_dagster_tests.warehouse.test_loader import (
    test_a_topic_made_again_under_its_name_is_loaded_from_its_beginning,
    test_a_topic_made_again_while_following_is_noticed,
    test_consumers_that_share_the_partitions_load_everything_together,
    test_messages_the_broker_lost_stop_the_load_until_the_gap_is_accepted,
    test_of_two_consumers_at_once_one_gives_up_and_nothing_is_doubled,
    test_partitions_added_while_following_are_read_from_their_beginning,
    test_stopping_commits_what_was_fetched,
    test_the_groups_offsets_decide_nothing,
    test_what_the_topics_hold_is_loaded_once_and_logged,
)


def test_random_sequences_fold_to_the_same_state_as_in_plain_python(emptied_pipeline: Pipeline) -> None:
    run_rounds(emptied_pipeline, seed=12, orders=20, rounds=2)
