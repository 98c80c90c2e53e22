"""`reprise roles`: shows the roles of the database, and separates them from those of others on its server."""

from cyclopts import App

from api.cli.database import open_database
from api.cli.failures import Failure
from api.cli.terminal import Rows, answer
from infrastructure.postgres.database import admit_named_logins, named_logins
from infrastructure.postgres.logins import Login, dismiss_logins
from infrastructure.postgres.role_separation import (
    RolesNotSharedError,
    SeparationUnderWayError,
    retire_shared_roles,
    separate_roles,
)
from infrastructure.postgres.roles import former_roles_of, roles_of, sharers

app = App(name="roles", help="Show the database's roles; separate them from other databases'.")


@app.command(name="list")
def show(*, json: bool = False) -> None:
    """Show what the roles of this database are called, and which other databases of the server they have rights in.

    Parameters
    ----------
    json
        Write JSON.

    """
    with open_database(Login.OWNER) as database, database.connected() as connection:
        roles, others, former = roles_of(connection), sharers(connection), sorted(former_roles_of(connection))
    answer(
        {"roles": roles, "sharedWith": others, "toRetire": former},
        Rows(("role", "in this database"), roles.items()),
        f"They also have rights in {', '.join(others)}: see `reprise roles separate`." if others else None,
        f"To retire: {', '.join(former)}." if former else None,
        json=json,
    )


@app.command
def separate(*, json: bool = False) -> None:
    """Give the database roles of its own, if those it has also have rights in other databases.

    Everything else can continue meanwhile. The logins in REPRISE_DATABASE_URL and REPRISE_WORKER_DATABASE_URL become
    members of the new roles. Restart all processes; then run `reprise roles retire`.

    Parameters
    ----------
    json
        Write JSON.

    """
    with open_database(Login.OWNER) as database:
        try:
            roles = separate_roles(database.conninfo)
        except RolesNotSharedError as error:
            raise Failure(str(error), "roles_not_shared") from None
        except SeparationUnderWayError as error:
            raise Failure(str(error), "separation_under_way") from None
        admit_named_logins(database.settings, database.conninfo)
    answer(
        {"roles": roles},
        f"The roles of this database are now {', '.join(roles.values())}.",
        "Restart all processes, then run `reprise roles retire`.",
        json=json,
    )


@app.command
def retire(*, json: bool = False) -> None:
    """Revoke all rights in this database from the roles that it shared before `reprise roles separate`.

    First restart all processes: those that still work in the shared roles fail from then on. The logins in
    REPRISE_DATABASE_URL and REPRISE_WORKER_DATABASE_URL are no longer members of the shared roles, as far as the owner
    may revoke that.

    Parameters
    ----------
    json
        Write JSON.

    """
    with open_database(Login.OWNER) as database:
        retired = retire_shared_roles(database.conninfo)
        dismiss_logins(database.conninfo, named_logins(database.settings).values(), retired)
    told = f"No longer of use here: {', '.join(retired)}." if retired else "There are no roles to retire."
    answer({"retired": retired}, told, json=json)
