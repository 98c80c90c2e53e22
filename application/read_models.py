"""Every read model there is."""

from typing import Any

from application.access_records.access_log import ACCESS_LOG
from application.history.timeline import USER_TIMELINE
from application.privacy.deletion_schedule import DELETION_SCHEDULE
from application.projections.definition import Projection
from application.statistics.user_statistics import USER_STATISTICS
from application.users.directory import USER_DIRECTORY

READ_MODELS: dict[str, Projection[Any]] = {
    model.name: model for model in (USER_DIRECTORY, USER_TIMELINE, USER_STATISTICS, ACCESS_LOG, DELETION_SCHEDULE)
}
