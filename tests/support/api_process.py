"""Serves the API as `reprise serve` does; run as a process: database, number of workers. Settings: the environment."""

import sys

from api.cli.parent_watch import watch_lifeline
from api.http.logs import configure_logging
from api.main import serve
from infrastructure.settings import settings_from

if __name__ == "__main__":
    watch_lifeline()
    configure_logging()
    serve(settings_from(), sys.argv[1], int(sys.argv[2]))
