"""How a search of the timeline is answered: always by one index that is in the order of the log.

The planner cannot know where in the log the facts are that fulfil a filter. Left to itself it likes to walk along the
log until a page is full, past millions of facts if there are few of the wanted kind at that end. So each search says
itself which index it reads, by asking for that index's order: the one of the filter that leaves least
(docs/decisions/0016-audit-search.md).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

_CONDITIONS: dict[str, LiteralString] = {
    "command_id": "m.command_id = %(command_id)s",
    "user_id": "(m.user_id = %(user_id)s OR to_jsonb(m) -> 'others' ? %(user_id)s::text)",
    "correlation_id": "m.correlation_id = %(correlation_id)s",
    "actor": "m.actor = %(actor)s",
    "topic": "m.topic = %(topic)s",
}
# Instants never go back along the log, so a span of time is a range of positions.
_AFTER: dict[str, LiteralString] = {
    "after": "%(after)s",
    "recorded_from": "log.position_before(%(recorded_from)s)",
}
_UPTO: dict[str, LiteralString] = {
    "upto": "%(upto)s",
    "recorded_to": "log.position_before(%(recorded_to)s)",
}
# What a user or an operation comes to is mostly little: looked up for a key that the planner does not know, it is taken
# for little always, and never looked for in another way.
_OF_ONE: LiteralString = """(
    SELECT fact.* FROM unnest(ARRAY[%({key})s]::uuid[]) AS known (key) CROSS JOIN LATERAL (
        SELECT m.* FROM {{table}} m
        WHERE m.{key} = known.key AND m."position" > {after} AND m."position" <= {upto} AND {others}
        ORDER BY m."position" LIMIT %(limit)s
    ) fact
)"""
# A fact may be about further people, too. A table that an earlier release made has no column for them; then the name
# stands for that of the query around it, and there are none.
_OF_PERSON: LiteralString = """(
    SELECT fact.* FROM unnest(ARRAY[%(user_id)s]::uuid[]) AS known (key)
    CROSS JOIN (SELECT NULL::uuid[]) AS earlier_release (others)
    CROSS JOIN LATERAL (
        (SELECT m.* FROM {{table}} m
         WHERE m.user_id = known.key AND m."position" > {after} AND m."position" <= {upto} AND {others}
         ORDER BY m."position" LIMIT %(limit)s)
        UNION ALL
        (SELECT m.* FROM {{table}} m
         WHERE others @> ARRAY[known.key] AND others IS NOT NULL
           AND m."position" > {after} AND m."position" <= {upto} AND {others}
         ORDER BY m."position" LIMIT %(limit)s)
    ) fact
)"""
_FEW: dict[LiteralString, LiteralString] = {"user_id": _OF_PERSON, "correlation_id": _OF_ONE}
# Each is the beginning of an index that ends with the position; from what leaves least to what leaves most.
_LEADING: tuple[tuple[LiteralString, ...], ...] = (("actor", "topic"), ("topic",), ())
# An actor's facts are in order by topic. There are few topics: they are found one after the other, also those that this
# release does not know, and the next facts of each are merged.
_OF_ACTOR: LiteralString = """(
    WITH RECURSIVE known (topic) AS (
        SELECT ''::text COLLATE "C"
        UNION ALL
        SELECT (
            SELECT CASE WHEN further.actor = %(actor)s THEN further.topic END FROM (
                SELECT m.actor, m.topic FROM {{table}} m WHERE (m.actor, m.topic) > (%(actor)s, known.topic)
                ORDER BY m.actor, m.topic LIMIT 1
            ) further
        ) FROM known WHERE known.topic IS NOT NULL
    )
    SELECT fact.* FROM known CROSS JOIN LATERAL (
        SELECT m.* FROM {{table}} m
        WHERE (m.actor, m.topic, m."position") > (%(actor)s, known.topic, {after})
          AND (m.actor, m.topic, m."position") <= (%(actor)s, known.topic, {upto})
        ORDER BY m.actor, m.topic, m."position" LIMIT %(limit)s
    ) fact
)"""
_LIMIT: LiteralString = " LIMIT %(limit)s"


class Search(NamedTuple):
    """What to select from, with which conditions and in which order."""

    source: LiteralString
    clauses: LiteralString
    parameters: dict[str, Any]


def search_for(parameters: Mapping[str, Any]) -> Search:
    """The search for events that match all filters: at most `limit`, in the order of the log."""
    after = _extreme("greatest", "0", _AFTER, parameters)
    upto = _extreme("least", 'g."position"', _UPTO, parameters)
    filters = parameters.keys() & _CONDITIONS.keys()
    if "command_id" in filters:
        # Few facts, and sorted when all of them are found.
        bounds = f'm."position" > {after} AND m."position" <= {upto}'
        order = f'm."position" + 0{_LIMIT}'
        return Search("{table}", f"WHERE {_all([bounds, *_others(filters)])} ORDER BY {order}", dict(parameters))
    key = next((name for name in _FEW if name in filters), None)
    if key is not None:
        source = _FEW[key].format(key=key, after=after, upto=upto, others=_all(["true", *_others(filters - {key})]))
        return Search(source, f'ORDER BY m."position"{_LIMIT}', dict(parameters))
    if filters == {"actor"}:
        source = _OF_ACTOR.format(after=after, upto=upto)
        return Search(source, f'ORDER BY m."position"{_LIMIT}', dict(parameters))
    leading = next(names for names in _LEADING if filters >= set(names))
    columns = ", ".join([*(f"m.{name}" for name in leading), 'm."position"'])
    values = "".join(f"%({name})s, " for name in leading)
    bounds = f"({columns}) > ({values}{after}) AND ({columns}) <= ({values}{upto})"
    conditions = _all([bounds, *_others(filters - set(leading))])
    return Search("{table}", f"WHERE {conditions} ORDER BY {columns}{_LIMIT}", dict(parameters))


def _extreme(
    function: LiteralString, always: LiteralString, bounds: Mapping[str, LiteralString], given: Mapping[str, Any]
) -> LiteralString:
    return f"{function}({', '.join([always, *(bound for name, bound in bounds.items() if name in given)])})"


def _others(filters: Collection[str]) -> list[LiteralString]:
    return [condition for name, condition in _CONDITIONS.items() if name in filters]


def _all(conditions: Sequence[LiteralString]) -> LiteralString:
    return " AND ".join(conditions)
