"""Octets that are almost requests; more of them: `python -m tests.support.raw_fuzz --requests 100000`."""

import asyncio
import os

import httpx

from tests.support.api import Api, serving
from tests.support.raw_fuzz import LIMITS, fuzz
from tests.support.running import settings_in

REQUESTS = int(os.environ.get("RAW_FUZZ_REQUESTS", "2000"))


def test_no_mistake_in_a_request_is_answered_with_one_of_ours(api: Api) -> None:
    settings = settings_in(api.settings.home, REPRISE_WAIT_SECONDS="0.05")
    with serving(settings, api.conninfo, LIMITS) as impatient:
        outcome = asyncio.run(fuzz(impatient.url, impatient.admin.token or "", REQUESTS, seed=20))

        assert httpx.get(f"{impatient.url}/healthz").status_code == 200

    assert not outcome.faults
    assert outcome.requests == REQUESTS
    assert len(outcome.codes) > 10
