"""JSON arrays that are written piece by piece."""

import json
from collections.abc import Sequence

import pytest

from application.json_arrays import JsonArray


@pytest.mark.parametrize("batches", [[], [[]], [[1]], [[1, 2], [], [3]], [[], [{"a": "ä\n"}], [None]]])
def test_an_array_is_the_items_of_all_its_batches(batches: Sequence[Sequence[object]]) -> None:
    array = JsonArray()

    written = b"".join([*map(array.more, batches), array.end()])

    assert json.loads(written) == [item for batch in batches for item in batch]


def test_each_item_has_a_line() -> None:
    array = JsonArray()

    assert array.more(["a\nb", 2]) + array.more([3]) + array.end() == b'[\n"a\\nb",\n2,\n3\n]'


def test_an_array_without_its_end_is_no_json() -> None:
    array = JsonArray()

    with pytest.raises(json.JSONDecodeError):
        json.loads(array.more([1, 2]))
