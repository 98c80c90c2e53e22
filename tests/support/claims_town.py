"""One database, and processes on it that have this or that key of the claims."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg

from application.ports import Service
from application.privacy.erase_user import EraseUser, erase_user
from application.users.emails.confirm_email import ConfirmEmail, confirm_email
from application.users.emails.request_email_change import RequestEmailChange, request_email_change
from application.users.queries import Users
from application.users.register_user import register_user
from domain import errors
from domain.users.email_claim import EmailClaim
from domain.values import EmailAddress
from infrastructure.commands.aggregates import Aggregates
from infrastructure.composition import open_commands, open_service
from infrastructure.encryption.key_cache import SubjectKeys
from infrastructure.encryption.master_keys import MasterKeys
from infrastructure.log.stream_loader import StreamLoader
from infrastructure.postgres.connections import APP_ROLE, in_role, reading_pool
from infrastructure.secrets.keyring import Keyring
from infrastructure.settings import Settings
from infrastructure.users.claims.claim_ids import ClaimIds
from infrastructure.users.claims.key_in_force import in_force
from infrastructure.users.claims.rotation import ClaimsRotated, OnEvents, rotate_claims
from infrastructure.users.email_tokens import MailedTokens
from tests.support.running import context, registration, settings_in

OLD, NEW = b"o" * 32, b"n" * 32
BEFORE, DURING, AFTER = (OLD,), (OLD, NEW), (NEW,)
"""What processes have before, while and after the old key is replaced by the new one."""
SERVICE_KEY = b"s" * 32
TOKENS = MailedTokens(Keyring(claims=OLD, service=SERVICE_KEY).derive("mailed tokens"))
Keys = Sequence[bytes]
Doing = Callable[[Service], Awaitable[Any]]


class Town:
    """One database, and whoever works on it."""

    def __init__(self, conninfo: str, folder: Path) -> None:
        self.conninfo = conninfo
        self._folder = folder
        for keys in (BEFORE, DURING, AFTER):
            self.settings(keys)

    def settings(self, keys: Keys) -> Settings:
        """Of a process with a claims key and, maybe, the next one."""
        home = self._folder / b"-".join(key[:1] for key in keys).decode()
        files = {
            "service": SERVICE_KEY,
            "key-encryption": b"k" * 32,
            **dict(zip(("claims", "next-claims"), keys, strict=False)),
        }
        if not home.exists():
            (home / "keys").mkdir(parents=True)
            for name, key in files.items():
                (home / "keys" / f"{name}.key").write_bytes(key)
        return settings_in(home)

    @asynccontextmanager
    async def processes(self, *keys: Keys) -> AsyncIterator[list[Service]]:
        """Processes that run at the same time."""
        async with AsyncExitStack() as stack:
            opened = [open_service(self.settings(each), self.conninfo) for each in keys]
            yield [await stack.enter_async_context(each) for each in opened]

    def in_a(self, keys: Keys, do: Doing) -> Any:
        """Have a process with these keys do something, and end."""

        async def run() -> Any:
            async with self.processes(keys) as (process,):
                return await do(process)

        return asyncio.run(run())

    def rotate(self, on_events: OnEvents = lambda _, __: None, chunk: int = 20) -> ClaimsRotated:
        """Have a process that has both keys replace the old one."""
        return asyncio.run(rotate_claims(self.settings(DURING), self.conninfo, open_commands, on_events, chunk))

    def claim(self, key: bytes, address: str) -> EmailClaim:
        """What is on record under the id that a key makes."""

        async def load() -> EmailClaim:
            async with reading_pool(in_role(self.conninfo, APP_ROLE), 1) as pool:
                aggregates = Aggregates(StreamLoader(pool, SubjectKeys(pool, MasterKeys())))
                return await aggregates.load(EmailClaim, ClaimIds(key).of(EmailAddress(address)))

        return asyncio.run(load())

    @property
    def in_force(self) -> str | None:
        """The fingerprint of the key in force."""
        with psycopg.connect(self.conninfo) as owner:
            return in_force(owner)

    @property
    def facts(self) -> list[tuple[str, uuid.UUID, str]]:
        """Topic, stream and actor of each event."""
        with psycopg.connect(self.conninfo) as owner:
            return owner.execute('SELECT topic, stream_id, actor FROM log.event ORDER BY "position"').fetchall()


def registering(name: str) -> Doing:
    async def register(process: Service) -> uuid.UUID | None:
        """The id of the new user; None if the address is taken."""
        try:
            return (await process.commands.run(register_user, registration(name), context())).aggregate_id
        except errors.EmailTaken:
            return None

    return register


async def register_all(process: Service, names: Sequence[str]) -> list[uuid.UUID | None]:
    return list(await asyncio.gather(*(registering(name)(process) for name in names)))


def asking_for(user_id: uuid.UUID, name: str) -> Doing:
    async def ask(process: Service) -> str:
        """The token that is mailed to the address."""
        wanted = RequestEmailChange(user_id=user_id, email=f"{name}@example.com")
        await process.commands.run(request_email_change, wanted, context())
        user, _ = await process.using(Users).user(user_id)
        assert user is not None
        assert user.email_request is not None
        return TOKENS.issue(user_id, user.email_request)

    return ask


def confirming(token: str) -> Doing:
    return lambda process: process.commands.run(confirm_email, ConfirmEmail(token=token), context())


def erasing(user_id: uuid.UUID) -> Doing:
    return lambda process: process.commands.run(erase_user, EraseUser(user_id=user_id), context())
