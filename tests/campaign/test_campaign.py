"""What must hold whatever breaks: nothing acknowledged is lost or doubled, own writes are read, health tells the truth.

Here for some seconds on a small log; `REPRISE_CAMPAIGN_SECONDS=300 REPRISE_CAMPAIGN_USERS=25000` is the one whose
figures are published, with 250,000 events in the log before anybody comes.
"""

import os
from pathlib import Path

import psycopg
import pytest

from application.read_models import READ_MODELS
from benchmarks.busy_log import fill_busily
from infrastructure.embedded_postgres import embedded_postgres
from infrastructure.encryption.keychain import grant
from infrastructure.postgres.database import migrate_embedded
from tests.campaign.campaign import Campaign
from tests.campaign.trouble import Victims
from tests.support.cli import CommandLine
from tests.support.cli_run import running
from tests.support.running import follow_to_head, settings_in
from tests.support.waiting import eventually
from tests.support.workers_in_trouble import rows_that_differ

SECONDS = float(os.environ.get("REPRISE_CAMPAIGN_SECONDS", "15"))
USERS = int(os.environ.get("REPRISE_CAMPAIGN_USERS", "1000"))
SEED = int(os.environ.get("REPRISE_CAMPAIGN_SEED", "1"))

_VERSIONS = """
SELECT stream_id::text, count(*), max(version) FROM log.event WHERE stream_id = ANY (%s::uuid[]) GROUP BY stream_id
"""


@pytest.mark.long
async def test_a_service_under_fire_keeps_its_promises(tmp_path: Path) -> None:
    reprise = CommandLine(tmp_path / "home")
    with embedded_postgres(reprise.home / "postgres") as server:
        migrate_embedded(server.conninfo())
        fill_busily(server.conninfo(), USERS)
    campaign = Campaign(SECONDS, SEED)
    with running(reprise) as run:
        await campaign.wage(run, Victims(run.process.pid, reprise.home, server.conninfo()))
        eventually(run.is_ready, "all to be well again")
    print(campaign.told(reprise.home))  # noqa: T201 - for whoever runs it by hand

    ledger, health = campaign.ledger, campaign.health
    assert health is not None
    assert (ledger.wrong, ledger.stale_reads) == ([], [])
    assert health.green_in_vain(ledger) == []
    assert health.red_in_vain(ledger, [(begin, end) for _, begin, end in campaign.troubles]) == []
    assert [outcome for outcome in campaign.rebuilds if "failed" in outcome] == []
    with embedded_postgres(reprise.home / "postgres") as server:
        lost, doubled = lost_and_doubled(server.conninfo(), ledger.versions)
        assert (lost, doubled) == ([], [])
        assert positions_of(server.conninfo()) == (0, 0)
        grant(settings_in(reprise.home))
        follow_to_head(server.conninfo())  # What was recorded while the run was stopping.
        assert [name for name, model in READ_MODELS.items() if rows_that_differ(server.conninfo(), model)] == []
        verified = reprise.call("audit", "verify")
        assert verified.code == 0, verified.out + verified.err
    assert ledger.acknowledged > 10
    assert campaign.rebuilds


def lost_and_doubled(conninfo: str, versions: dict[str, int]) -> tuple[list[str], list[str]]:
    """The users with fewer, and with more, events than were acknowledged: each command makes one."""
    acknowledged = {path.rpartition("/")[2]: version for path, version in versions.items()}
    with psycopg.connect(conninfo) as connection:
        found = {row[0]: row[1:] for row in connection.execute(_VERSIONS, (list(acknowledged),)).fetchall()}
    lost = [user for user, version in acknowledged.items() if found.get(user, (0, 0))[0] < version]
    doubled = [user for user, version in acknowledged.items() if found.get(user, (0, 0))[1] > version]
    return lost, doubled


def positions_of(conninfo: str) -> tuple[int, int]:
    """How many positions are missing, and how many events are beyond the head."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            'SELECT max("position") - count(*), max("position") - (SELECT "position" FROM log.head) FROM log.event'
        ).fetchone()
    assert row is not None
    return row[0], row[1]
