"""Every read model there is. The imports are the register: one line for each."""

from typing import Any

from application.access_records.access_log import ACCESS_LOG
from application.history.timeline import USER_TIMELINE
from application.privacy.deletion_schedule import DELETION_SCHEDULE
from application.projections.definition import Projection
from application.statistics.user_statistics import USER_STATISTICS
from application.users.directory import USER_DIRECTORY

_MODELS = [value for value in list(globals().values()) if isinstance(value, Projection)]

READ_MODELS: dict[str, Projection[Any]] = {model.name: model for model in sorted(_MODELS, key=lambda each: each.name)}
"""By name, in the order of the names."""
