"""`read_by_id`: one user as of now, against a route that answers without looking."""

from benchmarks.figures import Figure, at_least, figure, none_of
from benchmarks.laboratory import Laboratory
from benchmarks.latencies import of_rounds
from benchmarks.reading_load import CONNECTIONS, read_nothing, read_users, some_users
from benchmarks.rounds import in_turn, ratio


def measure(lab: Laboratory) -> Figure:
    """One API process, no other load."""
    town = lab.residents()
    users = some_users(town)
    with lab.api(town) as api:
        loads = in_turn(
            {"read": lambda: read_users(lab, api, users), "no_op": lambda: read_nothing(lab, api)}, lab.scale.rounds
        )
    compared = ratio([load.per_second for load in loads["read"]], [load.per_second for load in loads["no_op"]])
    return figure(
        "read_by_id",
        at_least("reads ÷ no-op GETs", compared.median, 0.60),
        none_of("errors", sum(load.errors for side in loads.values() for load in side)),
        rounds=compared,
        reads_per_second=[round(load.per_second) for load in loads["read"]],
        no_ops_per_second=[round(load.per_second) for load in loads["no_op"]],
        milliseconds=of_rounds([load.milliseconds for load in loads["read"]]),
        milliseconds_of_no_op=of_rounds([load.milliseconds for load in loads["no_op"]]),
        connections=CONNECTIONS,
    )
