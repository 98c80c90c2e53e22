"""`reprise serve`, `reprise project` and `reprise migrate`: the parts that `reprise run` starts, each by itself."""

import signal
import threading
from dataclasses import replace

import msgspec

from api.cli.terminal import say, write_json
from infrastructure.database import database, migrated_database
from infrastructure.settings import settings_from
from infrastructure.structured_logs import configure_logging
