# pop3.pyi - the types of pop3.py, as type checkers read them
# SPDX-License-Identifier: MIT
#
# Apart from pop3.py, so that the signatures there are poplib's at run time.

import errno as errno
import re as re
import socket as socket
import ssl as ssl
import sys as sys
from io import BufferedReader
from os import PathLike
from types import TracebackType
from typing import (Any, Callable, Dict, Iterable, Iterator, List, NamedTuple,
                    NoReturn, Optional, Pattern, Tuple, Type, TypeVar, Union)

__all__ = ["POP3", "error_proto", "POP3_SSL"]

POP3_PORT: int
POP3_SSL_PORT: int
CR: bytes
LF: bytes
CRLF: bytes
HAVE_SSL: bool
_MAXLINE: int
OUTCOMES: Tuple[str, ...]

_Self = TypeVar("_Self", bound="POP3")
_Long = Tuple[bytes, List[bytes], int]
_Which = Union[int, str]
_Word = Union[str, bytes]

class error_proto(Exception): ...

class Message(NamedTuple):
    number: int
    octets: int
    uid: Optional[bytes]

class Downloaded(NamedTuple):
    messages: int
    octets: int
    known: int
    deleted: int
    refused: int
    not_stored: int
    dele_refused: int
    no_uid: int
    skipped: int
    quit: bool

class POP3:
    encoding: str
    timestamp: Pattern[bytes]
    host: str
    port: int
    sock: socket.socket
    file: BufferedReader
    welcome: bytes

    def __init__(self, host: str, port: int = ..., timeout: Optional[float] = ...,
                 *, strict: bool = ...) -> None: ...
    def __enter__(self: _Self) -> _Self: ...
    def __exit__(self, kind: Optional[Type[BaseException]],
                 error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None: ...

    def getwelcome(self) -> bytes: ...
    def set_debuglevel(self, level: int) -> None: ...
    def user(self, user: str) -> bytes: ...
    def pass_(self, pswd: str) -> bytes: ...
    def stat(self) -> Tuple[int, int]: ...
    # Of two shapes, as in poplib: Any, as typeshed has it.
    def list(self, which: Optional[_Which] = ...) -> Any: ...
    def uidl(self, which: Optional[_Which] = ...) -> Any: ...
    def retr(self, which: _Which) -> _Long: ...
    def top(self, which: _Which, howmuch: _Which) -> _Long: ...
    def dele(self, which: _Which) -> bytes: ...
    def noop(self) -> bytes: ...
    def rset(self) -> bytes: ...
    def quit(self) -> bytes: ...
    def close(self) -> None: ...
    def rpop(self, user: str) -> bytes: ...
    def apop(self, user: str, password: str) -> bytes: ...
    def utf8(self) -> bytes: ...
    def capa(self) -> Dict[str, List[str]]: ...
    def stls(self, context: Optional[ssl.SSLContext] = ...) -> bytes: ...

    def login(self, user: _Word, password: _Word, *,
              method: Optional[str] = ..., stls: Optional[bool] = ...,
              context: Optional[ssl.SSLContext] = ...,
              allow_insecure: bool = ...) -> str: ...
    def sasl(self, mechanism: str, user: Optional[_Word] = ...,
             password: Optional[_Word] = ..., *,
             callback: Optional[Callable[[Optional[bytes]],
                                         Optional[bytes]]] = ...,
             client_first: bool = ..., waits: bool = ..., reveals: bool = ...,
             allow_insecure: bool = ...) -> bytes: ...
    def iter_retr(self, which: _Which) -> Iterator[bytes]: ...
    def retr_many(self, numbers: Iterable[_Which]) -> Iterator[
        Tuple[int, Union[_Long, error_proto]]]: ...
    def download(self, maildir: Union[str, bytes, PathLike[str]], *,
                 user: Optional[_Word] = ..., numbers: Iterable[_Which] = ...,
                 newest: int = ..., max_octets: int = ...,
                 select: Optional[Callable[[Message], object]] = ...,
                 delete: bool = ..., quit: bool = ...,
                 on_outcome: Optional[Callable[[Message, str], object]] = ...,
                 on_progress: Optional[Callable[[int, int, int, int],
                                                object]] = ...,
                 ) -> Downloaded: ...

    def _create_socket(self, timeout: Optional[float]) -> socket.socket: ...
    def _putline(self, line: bytes) -> None: ...
    def _putcmd(self, line: str) -> None: ...
    def _getline(self) -> Tuple[bytes, int]: ...
    def _getresp(self) -> bytes: ...
    def _getlongresp(self) -> _Long: ...
    def _shortcmd(self, line: str) -> bytes: ...
    def _longcmd(self, line: str) -> _Long: ...

class POP3_SSL(POP3):
    context: ssl.SSLContext
    keyfile: Optional[str]
    certfile: Optional[str]

    def __init__(self, host: str, port: int = ..., keyfile: Optional[str] = ...,
                 certfile: Optional[str] = ..., timeout: Optional[float] = ...,
                 context: Optional[ssl.SSLContext] = ..., *,
                 strict: bool = ...) -> None: ...
    def stls(self, keyfile: Any = ..., certfile: Any = ...,  # type: ignore[override]
             context: Optional[ssl.SSLContext] = ...) -> NoReturn: ...
