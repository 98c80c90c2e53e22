"""A line to the database that is cut when a certain text goes over it: before it arrives, or before it is answered."""

import select
import socket
from contextlib import suppress
from threading import Thread
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

CHUNK = 65_536


class CuttableLine:
    """Passes on what clients and the server say to each other."""

    def __init__(self, conninfo: str) -> None:
        self._database = conninfo
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._text: bytes | None = None
        self._is_delivered = False
        self._garbled = (b"", b"")
        self._ends: set[socket.socket] = set()
        self._threads = [Thread(target=self._accept)]

    @property
    def conninfo(self) -> str:
        """The database at the other end of the line."""
        port = self._listener.getsockname()[1]
        return make_conninfo(self._database, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")

    @property
    def was_cut(self) -> bool:
        """Whether the text has come by."""
        return self._text is None

    def cut_before(self, text: str) -> None:
        """Cut the connection over which the text comes next; the server never gets it."""
        self._text, self._is_delivered = text.encode(), False

    def cut_after(self, text: str) -> None:
        """Cut the connection over which the text comes next when the server answers; the client never gets that."""
        self._text, self._is_delivered = text.encode(), True

    def garble(self, text: str, into: str) -> None:
        """Have the server read something else of the same length, as whoever stands in between might."""
        self._garbled = (text.encode(), into.encode())

    def go_down(self) -> None:
        """Cut every connection, and take no more."""
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop when the clients have gone."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._threads.append(Thread(target=self._carry, args=(client,)))
                self._threads[-1].start()

    def _carry(self, client: socket.socket) -> None:
        with client, _connected(self._database) as server, suppress(OSError):
            self._ends |= {client, server}
            is_last_word = False
            while True:
                for speaker in select.select([client, server], [], [])[0]:
                    said = speaker.recv(CHUNK)
                    if not said or (speaker is server and is_last_word):
                        return
                    if speaker is client and self._text is not None and self._text in said:
                        self._text, is_last_word = None, True
                        if not self._is_delivered:
                            return
                    (server if speaker is client else client).sendall(said.replace(*self._garbled))


def _connected(conninfo: str) -> socket.socket:
    """A bare connection to where psycopg would connect to."""
    with psycopg.connect(conninfo) as connection:
        host, port = connection.info.host, connection.info.port
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{host}/.s.PGSQL.{port}")
    return server
