"""`reprise privacy`: what is stored about people."""

from pathlib import Path

import psycopg
from cyclopts import App

from api.cli.database import open_database
from api.cli.failures import Failure
from api.cli.progress import EventProgress
from api.cli.terminal import Rows, answer, shown
from infrastructure.data_map import data_map
from infrastructure.postgres.connections import as_projector
from infrastructure.postgres.logins import Login
from infrastructure.privacy.erasure_receipts import noting_erasures, read_receipts
from infrastructure.privacy.scrubbing import scrub as scrub_database

app = App(name="privacy", help="Show what is stored about people; remove what was deleted.")


@app.command(name="map")
def show_map(*, json: bool = False) -> None:
    """Show what personal data is stored, what for, where, how it is protected, and for how long.

    The map is generated from the declarations beside each field, so it describes this version of the program. It needs
    no database.

    Parameters
    ----------
    json
        Write JSON.

    """
    found = data_map()
    rows = [(h.place, ", ".join(h.fields), h.purpose, h.kind, h.kept) for h in found]
    answer({"holdings": found}, Rows(("where", "fields", "what for", "kind", "kept"), rows), json=json)


@app.command
def scrub(*, json: bool = False) -> None:
    """Rewrite the tables that people are deleted from, so that PostgreSQL's files contain nothing of them.

    Each table is locked meanwhile. This requires a superuser. Delete older WAL archives and backups when their
    retention ends.

    Parameters
    ----------
    json
        Write JSON.

    """
    with (
        open_database(Login.OWNER) as database,
        database.connected() as connection,
        EventProgress("scrubbing", "tables") as progress,
    ):
        try:
            tables = scrub_database(connection, progress.show)
        except psycopg.errors.InsufficientPrivilege:
            raise Failure("Scrubbing requires a superuser of the database.", "not_permitted") from None
    told = f"{tables} tables were rewritten. Nothing that was deleted from them is left."
    answer({"tables": tables}, told, json=json)


@app.command
def receipts(*, output: Path, json: bool = False) -> None:
    """Write the receipts of all erasures to a file, or add new ones, for `reprise restore`.

    Workers do the same for receipts/erasures.jsonl in the home directory.

    Parameters
    ----------
    output
        The file, in JSON Lines. Existing receipts stay in it.
    json
        Write JSON.

    """
    note = noting_erasures(output)
    with open_database(Login.WORKER) as database, database.connected(as_projector) as connection:
        while note(connection):
            pass
    found = len(read_receipts(output))
    told = f"Receipts of erasures in {output}: {shown(found)}."
    answer({"file": str(output), "receipts": found}, told, json=json)
