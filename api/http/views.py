"""What all answers are made of."""

from datetime import datetime
from typing import Annotated

import msgspec

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class View(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Fields in camelCase; none is omitted."""
