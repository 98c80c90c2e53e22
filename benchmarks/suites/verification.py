"""`verification`: the whole log verified as `reprise audit verify` does it, after it was sealed from its beginning."""

import time
from statistics import median

import psycopg

from benchmarks.figures import Figure, at_least, figure, none_of
from benchmarks.laboratory import Laboratory
from infrastructure.postgres.connections import as_sealer
from infrastructure.proof.checkpointing import seal_to_head
from infrastructure.proof.signing_keys import CheckpointKeyFile
from infrastructure.proof.verification import LogVerification, verify_log


def measure(lab: Laboratory) -> Figure:
    """One process, nothing else going on; the largest log."""
    town = lab.grown(lab.scale.sizes[-1])
    keys, conninfo = CheckpointKeyFile(lab.settings.keys).keys(), as_sealer(town.conninfo)
    begin = time.perf_counter()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        sealed = seal_to_head(connection, keys)
    sealing = time.perf_counter() - begin
    rates: list[float] = []
    verified: list[LogVerification] = []
    for _ in range(lab.scale.rounds):
        begin = time.perf_counter()
        verified.append(verify_log(conninfo, keys.trusted))
        rates.append(verified[-1].events / (time.perf_counter() - begin))
    return figure(
        "verification",
        at_least("events verified", round(median(rates)), 200_000, "1/s"),
        none_of("findings", sum(len(one.findings) for one in verified)),
        none_of("events missed", sum(town.events - one.events for one in verified)),
        events=town.events,
        events_verified_per_second=[round(rate) for rate in rates],
        events_sealed_per_second=round(sealed / sealing),
    )
