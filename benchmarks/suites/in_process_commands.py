"""`in_process_commands`: commands without HTTP, against the stock library with the same aggregates."""

from benchmarks import in_process, stock_library
from benchmarks.figures import Figure, at_least, figure, none_of
from benchmarks.laboratory import Laboratory
from benchmarks.latencies import of_rounds
from benchmarks.rounds import in_turn, ratio

STOCK = "stock_library"


def measure(lab: Laboratory) -> Figure:
    """64 callers of ours against 8 threads of the library's, as its recorder is meant to be used."""
    town = lab.unfollowed()
    users = [town.population.user_id(number) for number in range(town.population.users)]
    lab.empty_database(STOCK)
    stock = lab.server.conninfo(STOCK)
    stock_library.run_for(stock, 0.1)
    before = town.events, stock_library.count_events(stock)
    seconds = lab.scale.in_process_seconds
    runs = in_turn(
        {
            "ours": lambda: in_process.run(lab.settings, town.conninfo, users, seconds=seconds),
            "stock": lambda: stock_library.run_for(stock, seconds),
        },
        lab.scale.rounds,
    )
    recorded = town.events - before[0], stock_library.count_events(stock) - before[1]
    acknowledged = tuple(sum(run.events for run in runs[side]) for side in ("ours", "stock"))
    compared = ratio([run.per_second for run in runs["ours"]], [run.per_second for run in runs["stock"]])
    return figure(
        "in_process_commands",
        at_least("commands ÷ stock library's", compared.median, 15),
        none_of("errors", abs(recorded[0] - acknowledged[0]) + abs(recorded[1] - acknowledged[1])),
        rounds=compared,
        commands_per_second={name: [round(run.per_second) for run in side] for name, side in runs.items()},
        milliseconds={name: of_rounds([run.milliseconds for run in side]) for name, side in runs.items()},
        acknowledged_events=acknowledged[0],
        recorded_events=recorded[0],
        acknowledged_events_of_stock=acknowledged[1],
        recorded_events_of_stock=recorded[1],
        callers=in_process.CALLERS,
        stock_threads=stock_library.THREADS,
    )
