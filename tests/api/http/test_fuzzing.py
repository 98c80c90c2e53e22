"""Every operation, as it is described, with whatever a fuzzer makes of the description (Schemathesis).

`REPRISE_TEST_EXAMPLES=2000 make test ARGS="tests/api/http/test_fuzzing.py"` tries more than the suite has time for.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.support.api import Api, described_api
from tests.support.processes import serving_process, worker_process
from tests.support.running import settings_in

EXAMPLES = int(os.environ.get("REPRISE_TEST_EXAMPLES", "30"))
"""For each operation."""
schema = schemathesis.openapi.from_dict(
    described_api(),
    config=SchemathesisConfig.from_dict(
        {
            "checks": {"negative_data_rejection": {"expected-statuses": ["4xx", "503"]}},
            "generation": {"with-security-parameters": False},  # Our token would take the place of whatever it makes.
        },
    ),
)
NOT_DESCRIBED: list[Any] = [positive_data_acceptance, not_a_server_error]
"""What is well-formed may still break a rule of the domain (422)."""


@pytest.fixture(scope="session")
def impatient_api(fuzzed_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API on a database of its own, with a worker behind it; it does not wait long for a position."""
    settings = settings_in(tmp_path_factory.mktemp("fuzzed"))
    with (
        worker_process(settings, fuzzed_database),
        serving_process(settings, fuzzed_database, REPRISE_WAIT_SECONDS="0.05") as running,
    ):
        yield running


@schema.parametrize()
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_no_operation_answers_what_it_does_not_describe(case: Case[Any], impatient_api: Api) -> None:
    answer = case.call_and_validate(
        base_url=impatient_api.url,
        headers={"Authorization": f"Bearer {impatient_api.admin.token}"},
        excluded_checks=[*NOT_DESCRIBED, *([negative_data_rejection] if _has_unknown_header(case) else [])],
    )

    assert answer.status_code < 500 or answer.json()["code"] == "position_not_reached"


def _has_unknown_header(case: Case[Any]) -> bool:
    """Headers that nobody knows are no mistake: whoever stands between may have put them there."""
    return "x-schemathesis-unknown-property" in (case.headers or {})
