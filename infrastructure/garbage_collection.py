"""How often a process looks for objects that refer to each other in circles.

Python's defaults suit small programs. A service that keeps tens of thousands of users in memory would walk over all of
them again and again, in pauses of tens of milliseconds; a reader of the log, which makes hundreds of thousands of
objects a second and no circle among them, would spend more time on looking for circles than on reading.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG_OBJECTS = 50_000
"""Objects made and not freed before the young ones are looked at: requests make few that outlive them."""
YOUNG_RUNS, MIDDLE_RUNS = 20, 50
"""Looks at a generation before the next older one is looked at, too."""


def make_collection_rare() -> None:
    """Leave out what is there already, which stays for as long as the process, and look at the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_RUNS, MIDDLE_RUNS)


@contextmanager
def collection_paused() -> Iterator[None]:
    """Not to look for circles while many objects are made that have none: for a piece of work of bounded size.

    Of threads that overlap, the first one to begin ends the pause.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
