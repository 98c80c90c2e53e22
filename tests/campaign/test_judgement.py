"""What judges a campaign finds what it is there to find."""

import httpx
import psycopg
import pytest

from tests.campaign.clients import Ledger
from tests.campaign.health import GREEN_FOR_SECONDS, WELL_AFTER_SECONDS, Health, Look
from tests.campaign.test_campaign import lost_and_doubled, positions_of
from tests.support.poison import position_of

NOW = 1_000.0


def health(*, ready: bool) -> Health:
    """Which said one thing, now."""
    watched = Health(httpx.AsyncClient())
    watched.looks.append(Look(NOW, ready, ""))
    return watched


def attempts(*, acknowledged: bool, seconds: float = GREEN_FOR_SECONDS) -> Ledger:
    """One after another until now, for so long."""
    ledger = Ledger()
    ledger.attempts += [(NOW - n / 2 - 0.5, NOW - n / 2, acknowledged) for n in range(int(2 * seconds) + 1)]
    return ledger


def test_green_is_wrong_if_all_commands_have_failed_for_long_enough() -> None:
    assert health(ready=True).green_in_vain(attempts(acknowledged=False)) != []


@pytest.mark.parametrize(
    "ledger",
    [
        attempts(acknowledged=True),
        attempts(acknowledged=False, seconds=GREEN_FOR_SECONDS / 2),
        Ledger(),
        Ledger(attempts=[*attempts(acknowledged=False).attempts, (NOW - 1, NOW - 0.5, True)]),
    ],
)
def test_green_is_right_otherwise(ledger: Ledger) -> None:
    assert health(ready=True).green_in_vain(ledger) == []
    assert health(ready=False).green_in_vain(ledger) == []


def test_red_is_wrong_if_nothing_has_happened_for_long_enough() -> None:
    long_ago = (0.0, NOW - WELL_AFTER_SECONDS)

    assert health(ready=False).red_in_vain(attempts(acknowledged=True), [long_ago]) != []


def test_red_is_right_after_a_trouble_or_beside_a_failure() -> None:
    lately = (NOW - WELL_AFTER_SECONDS, NOW - WELL_AFTER_SECONDS + 1)

    assert health(ready=False).red_in_vain(attempts(acknowledged=True), [lately]) == []
    assert health(ready=False).red_in_vain(attempts(acknowledged=False), []) == []
    assert health(ready=True).red_in_vain(attempts(acknowledged=True), []) == []


def test_events_that_are_missing_or_there_twice_are_found(history: str) -> None:
    with psycopg.connect(history, autocommit=True) as owner:
        user, events = owner.execute(
            "SELECT stream_id::text, count(*) FROM log.event WHERE starts_with(topic, 'user.') "
            "GROUP BY 1 ORDER BY 2 DESC LIMIT 1"
        ).fetchone() or ("", 0)

        assert lost_and_doubled(history, {f"/v1/users/{user}": events}) == ([], [])
        assert lost_and_doubled(history, {f"/v1/users/{user}": events + 1}) == ([user], [])
        assert lost_and_doubled(history, {f"/v1/users/{user}": events - 1}) == ([], [user])
        assert positions_of(history) == (0, 0)
        owner.execute("SET session_replication_role = replica")
        owner.execute('DELETE FROM log.event WHERE "position" = %s', (position_of(history, "user.country_changed"),))
        owner.execute('UPDATE log.head SET "position" = "position" - 2')
        assert positions_of(history) == (1, 2)


def test_the_longest_silence_is_that_between_acknowledgements() -> None:
    ledger = Ledger(attempts=[(0, 1, True), (1, 4, False), (1, 6, True), (6, 7, True)])

    assert ledger.longest_silence == 5
