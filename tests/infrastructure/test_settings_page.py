"""Every variable is declared, and docs/operations.md has the table of what is declared."""

import re
from pathlib import Path

import msgspec

from application.policy import Policy
from infrastructure.settings import ELSEWHERE, POLICY, SETTINGS, Settings
from infrastructure.settings_page import settings_as_markdown

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "operations.md"
BEGIN = "<!-- made by `python -m tests.infrastructure.test_settings_page` -->\n\n"
END = "\n\n<!-- as far as here -->\n"
DECLARED = [variable.name for variable in (*SETTINGS.values(), *POLICY.values(), *ELSEWHERE)]
NOT_FOR_OPERATORS = {
    "REPRISE_CAMPAIGN_SECONDS",  # for a test of this program
    "REPRISE_CAMPAIGN_USERS",
    "REPRISE_LIFELINE",  # from a process to those that it starts
    "REPRISE_POOL_SIZE",  # for programs that use the recorders of the event-sourcing library
}


def test_the_page_has_the_table_of_what_is_declared() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert text.partition(BEGIN)[2].partition(END)[0] == settings_as_markdown()


def test_every_field_has_its_variable() -> None:
    assert {*SETTINGS, "policy"} == {field.name for field in msgspec.structs.fields(Settings)}
    assert set(POLICY) == {field.name for field in msgspec.structs.fields(Policy)}


def test_no_variable_is_declared_twice() -> None:
    assert len(DECLARED) == len(set(DECLARED))


def test_every_variable_that_the_program_or_its_pages_name_is_declared() -> None:
    sources = [*(path for layer in ("api", "infrastructure") for path in (CHECKOUT / layer).rglob("*.py"))]
    pages = [CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md")]
    named = {
        name
        for path in (*sources, *pages)
        for name in re.findall(r"\bREPRISE_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))
    }

    assert named - NOT_FOR_OPERATORS == set(DECLARED)


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}{settings_as_markdown()}{END}{after}", encoding="utf-8")
