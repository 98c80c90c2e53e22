"""An event loop that tells how long its turns are."""

import asyncio
import time


class WatchedLoop(asyncio.SelectorEventLoop):
    """Measures each turn: all that runs before others, who wait for their turn, can run again.

    In seconds of processor time of the loop's thread, so that what else the machine is up to does not count.
    """

    def __init__(self) -> None:
        super().__init__()
        self.longest_turn = 0.0

    def _run_once(self) -> None:
        begun = time.thread_time()
        super()._run_once()  # type: ignore[misc] # what `run_forever` does again and again
        self.longest_turn = max(self.longest_turn, time.thread_time() - begun)
