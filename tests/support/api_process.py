"""Serves the API as `reprise serve` does; run as a process: database, number of workers. Settings: the environment."""

import sys

from api.main import serve
from infrastructure.settings import settings_from

if __name__ == "__main__":
    serve(settings_from(), sys.argv[1], int(sys.argv[2]))
