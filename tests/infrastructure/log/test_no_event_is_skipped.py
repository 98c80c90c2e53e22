"""Promises 1 and 2, under stress: what is acknowledged is in the log once, and no follower skips any of it.

The control shows that the stress suffices: the same crowd finds events that the stock recorder of the `eventsourcing`
library, in its mode with database functions, lets followers skip.
"""

from tests.support.crowd import Crowd
from tests.support.logs_under_test import RepriseLog, StockLibraryLog


def test_every_follower_sees_every_event_once_in_one_order_whatever_happens_to_the_writers(database: str) -> None:
    observation = Crowd().observe(RepriseLog(database))

    assert observation.violations() == []
    assert len(observation.log) > 1_000
    assert observation.refused()
    assert observation.lost_connections()


def test_the_same_crowd_finds_the_events_that_the_librarys_stock_recorder_lets_followers_skip(
    empty_database: str,
) -> None:
    log = StockLibraryLog(empty_database)
    log.create()

    observation = Crowd(commands=40).observe(log)

    assert any(observation.skipped())
