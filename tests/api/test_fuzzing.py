"""Every operation, as it is described, with whatever a fuzzer makes of the description (Schemathesis)."""

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case

from tests.support.api import Api, described_api

schema = schemathesis.openapi.from_dict(described_api())


@schema.parametrize()
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_no_operation_answers_what_it_does_not_describe(case: Case, api: Api) -> None:
    case.call_and_validate(base_url=api.url, headers={"Authorization": f"Bearer {api.admin.token}"})
