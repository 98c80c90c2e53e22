"""`reprise privacy`: what is held about people, told without a database."""

from pathlib import Path

from infrastructure.data_map import data_map
from tests.support.cli import CommandLine


def test_the_map_tells_every_field_to_people_and_programs(tmp_path: Path) -> None:
    reprise = CommandLine(tmp_path / "nothing-there")

    told, programs = reprise.call("privacy", "map"), reprise.call("privacy", "map", "--json")

    assert (told.code, programs.code, told.err, programs.err) == (0, 0, "", "")
    assert [holding["fields"] for holding in programs.json["holdings"]] == [list(h.fields) for h in data_map()]
    assert "read model user_directory" in told.out
    assert {"sealed", "readable", "linked", "none"} == {holding["kind"] for holding in programs.json["holdings"]}
    assert not reprise.home.exists()
