"""A proxy before PostgreSQL that can swallow an answer and cut the line: the client never learns what became of it."""

import contextlib
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

SOCKET_NAME = ".s.PGSQL.5432"
CHUNK = 1 << 16


class CuttingProxy:
    """Passes everything on until it is told to cut."""

    def __init__(self, upstream: str, folder: str) -> None:
        self._upstream = upstream
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(f"{folder}/{SOCKET_NAME}")
        self._listener.listen(64)
        self._cuts = 0
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self.cuts_made = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_answers(self, count: int) -> None:
        """Let the next requests through to the server, and cut the line instead of passing on their answers."""
        with self._lock:
            self._cuts += count

    def close(self) -> None:
        """Stop, and cut every line."""
        self._listener.close()
        for each in list(self._sockets):
            _cut(each)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                server.connect(self._upstream)
                self._sockets |= {client, server}
                pending = threading.Event()
                threading.Thread(target=self._requests, args=(client, server, pending), daemon=True).start()
                threading.Thread(target=self._answers, args=(client, server, pending), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, cut_answer: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(CHUNK):
                # 'B' binds parameters, 'P' parses: only requests that carry a statement count, not the start-up.
                if data[:1] in b"BP" and self._take_cut():
                    cut_answer.set()
                server.sendall(data)
        self._cut_both(client, server)

    def _answers(self, client: socket.socket, server: socket.socket, cut_answer: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(CHUNK):
                # The answer is there, so the server has committed; nobody will ever see it.
                if cut_answer.is_set():
                    self.cuts_made += 1
                    break
                client.sendall(data)
        self._cut_both(client, server)

    def _take_cut(self) -> bool:
        with self._lock:
            if self._cuts:
                self._cuts -= 1
                return True
        return False

    def _cut_both(self, *sockets: socket.socket) -> None:
        for each in sockets:
            _cut(each)
            self._sockets.discard(each)


@contextmanager
def cutting_proxy(conninfo: str) -> Iterator[tuple[CuttingProxy, str]]:
    """A proxy, and how to connect through it."""
    upstream = str(Path(str(conninfo_to_dict(conninfo)["host"])) / SOCKET_NAME)
    with tempfile.TemporaryDirectory(prefix="proxy") as folder:
        proxy = CuttingProxy(upstream, folder)
        try:
            yield proxy, make_conninfo(conninfo, host=folder)
        finally:
            proxy.close()


def _cut(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
