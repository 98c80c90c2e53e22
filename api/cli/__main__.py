"""`python -m api.cli`: the command line."""

import sys

from api.cli import main

sys.exit(main())
