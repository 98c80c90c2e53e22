"""Who may do what: one table. A role that is not in a permission's line may not; every route names its permission.

People (role `user`) have these permissions for their own account only: the id in the path must be that of their token.
"""

from enum import StrEnum

from application.actors import Role

PERSON = "user_id"
"""The parameter of paths that names the person whose account it is."""


class Permission(StrEnum):
    """What a route asks for; declared beside it."""

    USERS_REGISTER = "users.register"
    USERS_READ = "users.read"
    USERS_LIST = "users.list"
    USERS_CHANGE = "users.change"
    USERS_CHANGE_EMAIL = "users.change_email"
    USERS_CONSENT = "users.consent"
    USERS_SUSPEND = "users.suspend"
    USERS_REINSTATE = "users.reinstate"
    USERS_DEACTIVATE = "users.deactivate"
    USERS_DELETE = "users.delete"
    USERS_ERASE = "users.erase"
    USERS_ERASURE_READ = "users.erasure_read"
    USERS_EXPORT = "users.export"
    USERS_TIMELINE = "users.timeline"
    USERS_STATE = "users.state"
    AUDIT_READ = "audit.read"
    AUDIT_PROVE = "audit.prove"
    STATISTICS_READ = "statistics.read"
    PROJECTIONS_READ = "projections.read"
    PROJECTIONS_REBUILD = "projections.rebuild"
    PROJECTIONS_REPAIR = "projections.repair"


_ADMIN, _SUPPORT, _AUDITOR, _SERVICE, _USER = Role.ADMIN, Role.SUPPORT, Role.AUDITOR, Role.SERVICE, Role.USER

ROLES: dict[Permission, frozenset[Role]] = {
    Permission.USERS_REGISTER: frozenset({_ADMIN, _SERVICE}),
    Permission.USERS_READ: frozenset({_ADMIN, _SUPPORT, _AUDITOR, _SERVICE, _USER}),
    Permission.USERS_LIST: frozenset({_ADMIN, _SUPPORT, _AUDITOR, _SERVICE}),
    Permission.USERS_CHANGE: frozenset({_ADMIN, _SUPPORT, _SERVICE, _USER}),
    Permission.USERS_CHANGE_EMAIL: frozenset({_ADMIN, _SERVICE, _USER}),
    Permission.USERS_CONSENT: frozenset({_ADMIN, _SERVICE, _USER}),
    Permission.USERS_SUSPEND: frozenset({_ADMIN, _SUPPORT}),
    Permission.USERS_REINSTATE: frozenset({_ADMIN, _SUPPORT}),
    Permission.USERS_DEACTIVATE: frozenset({_ADMIN, _SERVICE, _USER}),
    Permission.USERS_DELETE: frozenset({_ADMIN, _SERVICE, _USER}),
    Permission.USERS_ERASE: frozenset({_ADMIN}),
    Permission.USERS_ERASURE_READ: frozenset({_ADMIN, _SUPPORT, _AUDITOR}),
    Permission.USERS_EXPORT: frozenset({_ADMIN, _SERVICE, _USER}),
    Permission.USERS_TIMELINE: frozenset({_ADMIN, _SUPPORT, _AUDITOR, _USER}),
    Permission.USERS_STATE: frozenset({_ADMIN, _SUPPORT, _AUDITOR, _USER}),
    Permission.AUDIT_READ: frozenset({_ADMIN, _AUDITOR}),
    Permission.AUDIT_PROVE: frozenset({_ADMIN, _SUPPORT, _AUDITOR, _SERVICE}),
    Permission.STATISTICS_READ: frozenset({_ADMIN, _AUDITOR, _SERVICE}),
    Permission.PROJECTIONS_READ: frozenset({_ADMIN, _AUDITOR}),
    Permission.PROJECTIONS_REBUILD: frozenset({_ADMIN}),
    Permission.PROJECTIONS_REPAIR: frozenset({_ADMIN}),
}


def table_as_markdown() -> str:
    """The table for people, as it stands in docs/api.md."""
    roles: list[Role] = [role for role in Role if role is not Role.SYSTEM]
    head = "| Permission | " + " | ".join(roles) + " |"
    rule = "|---|" + ":-:|" * len(roles)
    return "\n".join([head, rule, *(_line(permission, roles) for permission in Permission)])


def _line(permission: Permission, roles: list[Role]) -> str:
    marks = (_mark(role) if role in ROLES[permission] else "" for role in roles)
    return f"| `{permission}` | " + " | ".join(marks) + " |"


def _mark(role: Role) -> str:
    return "own" if role is Role.USER else "yes"
