"""A small mail server on loopback (RFC 5321) that keeps what it is given; with TLS at once, on demand, or never."""

import socket
import socketserver
import ssl
import threading
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import MappingProxyType
from typing import Any, Literal

import msgspec

NOTHING_SPECIAL: Mapping[str, str] = MappingProxyType({})
Tls = tuple[Literal["implicit", "starttls"], ssl.SSLContext]


class Delivery(msgspec.Struct, frozen=True):
    """One mail as it was handed over: the envelope, and the octets of the message."""

    sender: str
    options: str
    recipients: tuple[str, ...]
    octets: bytes
    login: tuple[str, str] | None
    secure: bool

    @property
    def message(self) -> EmailMessage:
        message = message_from_bytes(self.octets, policy=policy.SMTPUTF8)
        assert isinstance(message, EmailMessage)
        return message


class SmtpServer(socketserver.ThreadingTCPServer):
    """Takes mails for everybody it has no other answer for; asks for a login, and speaks TLS, if it is given one."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self,
        *,
        smtputf8: bool,
        login: tuple[str, str] | None,
        answers: Mapping[str, str],
        data_answers: Mapping[str, str],
        tls: Tls | None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.extensions = ["8BITMIME", *(["SMTPUTF8"] if smtputf8 else []), *(["AUTH PLAIN"] if login else [])]
        self.login = login
        self.answers = answers
        self.data_answers = data_answers
        self.tls = tls
        self.deliveries: list[Delivery] = []
        self.logins: list[tuple[str, str]] = []
        """Each that was tried."""

    @property
    def port(self) -> int:
        port: int = self.server_address[1]
        return port

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up has its reasons."""


class Session(socketserver.StreamRequestHandler):
    server: SmtpServer

    def setup(self) -> None:
        if self.server.tls and self.server.tls[0] == "implicit":
            self.request = self._secured(self.request)
        super().setup()
        self._login: tuple[str, str] | None = None
        self._sender = ""
        self._options = ""
        self._recipients: list[str] = []

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def handle(self) -> None:
        self._say("220 ready")
        while line := self.rfile.readline():
            text = line.decode().rstrip("\r\n")
            verb, _, rest = text.partition(" ")
            self._say(self._answer(verb.upper(), rest))
            if verb.upper() == "STARTTLS":
                self.request = self._secured(self.request)
                super().setup()
            if verb.upper() == "QUIT":
                return

    def _answer(self, verb: str, rest: str) -> str:
        match verb:
            case "EHLO":
                return "\r\n".join(["250-localhost", *(f"250-{name}" for name in self._extensions()), "250 HELP"])
            case "AUTH":
                return self._authenticate(rest)
            case "MAIL" if self.server.login != self._login:
                return "530 log in first"
            case "MAIL":
                address, _, self._options = rest.removeprefix("FROM:").partition(" ")
                self._sender, self._recipients = address.strip("<>"), []
                return "250 ok"
            case "RCPT":
                return self._receive_for(rest.removeprefix("TO:").strip("<>"))
            case "DATA":
                return self._receive()
            case "STARTTLS":
                return "220 go on"
            case "QUIT":
                return "221 bye"
            case _:
                return "250 ok"

    def _extensions(self) -> list[str]:
        offered = self.server.tls is not None and self.server.tls[0] == "starttls"
        return ["STARTTLS"] if offered and not isinstance(self.request, ssl.SSLSocket) else self.server.extensions

    def _secured(self, connection: socket.socket) -> ssl.SSLSocket:
        assert self.server.tls
        return self.server.tls[1].wrap_socket(connection, server_side=True)

    def _authenticate(self, rest: str) -> str:
        _, user, password = b64decode(rest.removeprefix("PLAIN ")).decode().split("\0")
        self.server.logins.append((user, password))
        if (user, password) != self.server.login:
            return "535 no"
        self._login = (user, password)
        return "235 welcome"

    def _receive_for(self, recipient: str) -> str:
        if recipient in self.server.answers:
            return self.server.answers[recipient]
        self._recipients.append(recipient)
        return "250 ok"

    def _receive(self) -> str:
        self._say("354 go on")
        lines = iter(self.rfile.readline, b".\r\n")
        octets = b"".join(line.removeprefix(b".") for line in lines)
        if self._recipients[0] in self.server.data_answers:
            return self.server.data_answers[self._recipients[0]]
        self.server.deliveries.append(
            Delivery(
                self._sender,
                self._options,
                tuple(self._recipients),
                octets,
                self._login,
                isinstance(self.request, ssl.SSLSocket),
            )
        )
        return "250 kept"

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def smtp_server(
    *,
    smtputf8: bool = True,
    login: tuple[str, str] | None = None,
    answers: Mapping[str, str] = NOTHING_SPECIAL,
    data_answers: Mapping[str, str] = NOTHING_SPECIAL,
    tls: Tls | None = None,
) -> Iterator[SmtpServer]:
    """Run a server until it is not needed any more; `answers` are to recipients, `data_answers` to their mails."""
    with SmtpServer(smtputf8=smtputf8, login=login, answers=answers, data_answers=data_answers, tls=tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
