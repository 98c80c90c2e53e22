"""A log with a history, for tests of what follows it."""

import asyncio
from pathlib import Path

import pytest

from infrastructure.service import open_service
from tests.support.read_models import make_history
from tests.support.running import settings_in


@pytest.fixture
def history(database: str, home: Path) -> str:
    """A database with some hundred events and no read models yet."""

    async def fill() -> None:
        async with open_service(settings_in(home), database) as service:
            await make_history(service, 60)

    asyncio.run(fill())
    return database
