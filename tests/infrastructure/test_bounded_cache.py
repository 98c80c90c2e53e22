"""Caches hold so many entries, and lose those that come first."""

from hypothesis import given as for_all
from hypothesis import strategies as st

from infrastructure.bounded_cache import BoundedCache


@for_all(st.lists(st.integers(0, 9)), st.integers(1, 5))
def test_it_holds_the_entries_that_were_put_last(keys: list[int], limit: int) -> None:
    cache = BoundedCache[int, int](limit)

    for at, key in enumerate(keys):
        cache.put(key, at)

    last_first = list(dict.fromkeys(reversed(keys)))[:limit]
    assert list(cache) == last_first[::-1]
    assert all(keys[at] == key for key, at in cache.items())


def test_an_entry_that_was_moved_to_the_end_outlives_one_that_was_not() -> None:
    cache = BoundedCache[str, int](2)
    cache.put("ada", 1)
    cache.put("grace", 2)

    cache.move_to_end("ada")
    cache.put("alan", 3)

    assert dict(cache) == {"ada": 1, "alan": 3}
