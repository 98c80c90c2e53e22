"""What a search of the directory asks for, and whether one person fulfils it."""

import msgspec

from application.users.directory import WORDS, UserEntry, name_columns
from application.users.queries import DirectoryFilter
from domain.users import User
from domain.users.search_words import Forms, is_found, wanted_words
from domain.values import address_beginning, email_key

WORDS_LIMIT = 10
"""Words in one search."""


class TooManyWordsError(ValueError):
    """A search of more words than a name has."""


class NameOrAddress(msgspec.Struct, frozen=True, kw_only=True):
    """What `q` asks for: beginnings of the words of a name, or the beginning of an address."""

    words: tuple[Forms, ...]
    """All of them must be found; empty if the search is not for a name."""
    address: str | None
    """In the form of `email_key`; None if no address begins so."""

    @property
    def says_enough(self) -> bool:
        """Whether the search is selective enough."""
        return bool(self.words) or self.address is not None


def name_or_address(text: str) -> NameOrAddress:
    """What a text asks for. Raises `TooManyWordsError`."""
    words, address = wanted_words(text), address_beginning(text)
    if sum(len(forms[-1]) for forms in words) > WORDS_LIMIT:
        raise TooManyWordsError
    is_address = len(address) > 1 and len(address.split()) == 1
    return NameOrAddress(words=words, address=address if is_address else None)


def entry_of(user: User) -> UserEntry:
    """A person's entry as the directory will have it when it has folded their last event."""
    return UserEntry(
        user_id=user.id,
        version=user.version,
        email=user.email,
        email_key=email_key(user.email),
        email_verified=user.email_verified,
        **name_columns(user.display_name),
        country=user.country,
        locale=user.locale,
        external_id=user.external_id,
        status=user.status,
        suspended=user.suspended,
        deactivated=user.deactivated,
        deletion_requested=user.erase_after is not None,
        created_at=user.created_at,
        updated_at=user.modified_on,
    )


def fulfils(entry: UserEntry, wanted: DirectoryFilter) -> bool:
    """Whether all that is asked for holds of a person; the directory's queries say the same in SQL."""
    return (
        (wanted.email is None or entry.email_key == email_key(wanted.email))
        and wanted.external_id in {None, entry.external_id}
        and wanted.country in {None, entry.country}
        and wanted.status in {None, entry.status}
        and (wanted.created_after is None or entry.created_at > wanted.created_after)
        and (wanted.q is None or _is_found(entry, name_or_address(wanted.q)))
    )


def _is_found(entry: UserEntry, wanted: NameOrAddress) -> bool:
    by_name = bool(wanted.words) and is_found(wanted.words, [getattr(entry, column) for column in WORDS])
    return by_name or (wanted.address is not None and entry.email_key.startswith(wanted.address))
