"""`reprise privacy`: what is held about people."""

from cyclopts import App

from api.cli.terminal import write_json, write_table
from infrastructure.data_map import data_map

app = App(name="privacy", help="Find out what is held about people.")


@app.command(name="map")
def show_map(*, json: bool = False) -> None:
    """Tell what is held about people, what for, where, how it is protected, and for how long.

    The map is made from the declarations beside each field, so it is what this version of the program holds. It needs
    no database.

    Parameters
    ----------
    json
        Write JSON.

    """
    found = data_map()
    if json:
        write_json({"holdings": found})
        return
    rows = [(h.place, ", ".join(h.fields), h.purpose, h.kind, h.kept) for h in found]
    write_table(("where", "fields", "what for", "kind", "kept"), rows)
