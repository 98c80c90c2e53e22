"""`search`: pages of people found by what is typed: common and rare words, several of them, addresses, and nobody."""

import time
from itertools import chain

import uvloop

from application.ports import Service
from application.queries import PageRequest
from application.users.queries import Directory, DirectoryFilter
from benchmarks.crowd_of_names import fill_directory
from benchmarks.figures import Figure, below, figure
from benchmarks.laboratory import Laboratory
from benchmarks.latencies import latencies
from infrastructure.composition import open_service

SEARCHES = (
    *("maria", "ma", "an", "zoe", "Zoë", "lovelace", "smith", "garcia", "ISTANBUL", "kra", "schn", "xqz", "loadtest 7"),
    *("ada lov", "lov ada", "maria garcia", "anna maria smith", "jean-luc", "jean luc", "o'brien", "obrien", "brien"),
    *("王", "林", "王䶮", "maria.1", "anna.99", "zoe.5@exam", "nobody.at@all", "ab cd ef gh ij"),
)
"""What people type."""
TOGETHER = ("mar and", "ma an", "brien maria")
"""Beginnings that are common, but hardly ever together: what is slowest, told apart."""
PAGES = 3
PAGE_SIZE = 50


def measure(lab: Laboratory) -> Figure:
    """One process, one search at a time."""
    people = lab.scale.sizes[-1]
    conninfo = lab.fresh_database("searched")
    fill_directory(conninfo, people)
    seconds = uvloop.run(_ask(lab, conninfo))
    typed = latencies(list(chain.from_iterable(seconds[q] for q in SEARCHES)))
    return figure(
        "search",
        below(f"p99 at {people:,} users", typed.p99, 20, "ms"),
        milliseconds=typed,
        milliseconds_of_each={q: latencies(seconds[q]) for q in (*SEARCHES, *TOGETHER)},
        rows_on_a_page=PAGE_SIZE,
    )


async def _ask(lab: Laboratory, conninfo: str) -> dict[str, list[float]]:
    seconds = {q: list[float]() for q in (*SEARCHES, *TOGETHER)}
    async with open_service(lab.settings, conninfo) as service:
        for q, taken in seconds.items():
            await _answer(service, q)  # What is not in memory yet is not counted.
            for _ in range(lab.scale.searches):
                taken.extend(await _answer(service, q))
    return seconds


async def _answer(service: Service, q: str) -> list[float]:
    """How long the first pages took."""
    seconds, cursor = list[float](), None
    for _ in range(PAGES):
        begin = time.perf_counter()
        page = await service.using(Directory).page(DirectoryFilter(q=q), PageRequest(limit=PAGE_SIZE, cursor=cursor))
        seconds.append(time.perf_counter() - begin)
        if (cursor := page.next_cursor) is None:
            break
    return seconds
