"""How often a serving process looks for objects that refer to each other in circles.

Python's defaults suit small programs: a service that keeps tens of thousands of users in memory would walk over all of
them again and again, for some tenths of its time and in pauses of tens of milliseconds.
"""

import gc

YOUNG_OBJECTS = 50_000
"""Objects made and not freed before the young ones are looked at: requests make few that outlive them."""
YOUNG_RUNS, MIDDLE_RUNS = 20, 50
"""Looks at a generation before the next older one is looked at, too."""


def make_collection_rare() -> None:
    """Leave out what is there already, which stays for as long as the process, and look at the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_RUNS, MIDDLE_RUNS)
