"""The schedule holds whoever waits for deletion, and nobody else."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from application.privacy.deletion_schedule import DELETION_SCHEDULE, ScheduledDeletion, scheduled_deletion
from application.recorded import Recorded
from domain.users import User
from tests.support.instants import ERASE_AFTER, NOW
from tests.support.scenarios import event_of

ADA = UUID(int=7)
WAITING = ScheduledDeletion(user_id=ADA, erase_after=ERASE_AFTER)


def fact(event_type: Any, **payload: Any) -> Recorded[Any]:
    event = event_of(event_type, stream_id=ADA, **payload)
    return Recorded(event=event, topic=event.TOPIC, position=1, recorded_at=NOW)


def test_whoever_asks_is_on_the_schedule() -> None:
    assert scheduled_deletion(None, fact(User.DeletionRequested, erase_after=ERASE_AFTER)) == WAITING


def test_whoever_asks_again_later_waits_for_the_later_end() -> None:
    later = ERASE_AFTER + timedelta(days=3)

    row = scheduled_deletion(None, fact(User.DeletionRequested, erase_after=later))

    assert row == ScheduledDeletion(user_id=ADA, erase_after=later)


@pytest.mark.parametrize("end", [User.DeletionWithdrawn, User.Erased])
def test_whoever_stays_or_is_gone_is_not(end: Any) -> None:
    assert scheduled_deletion(WAITING, fact(end)) is None


def test_it_reads_nothing_personal() -> None:
    assert DELETION_SCHEDULE.personal_topics == frozenset()
