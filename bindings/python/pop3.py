# pop3.py - a drop-in replacement for poplib
# SPDX-License-Identifier: MIT
#
# Owns poplib's face: its names, results, exceptions, debug output and audit
# events.  Python makes the socket and wraps it in TLS, so that .sock and .file
# are the real ones, every SSLContext and every _create_socket of a subclass
# counts as it does in poplib, the errors of the system are Python's own, and
# Ctrl-C works.  libpop3 reads what comes, through a stream of callbacks:
# replies, bodies, pipelines, logins.  Not here: the protocol.  The annotations
# are in pop3.pyi, so that signatures stay equal to poplib's at run time.
#
# To add a function of the library: its line in _PROTOTYPES, and a method that
# calls it by _native(); its annotation in pop3.pyi; a test in
# tests/python/beyond.py.
"""A POP3 client that takes the place of poplib, upon libpop3.

    import pop3 as poplib

POP3 and POP3_SSL have poplib's methods, arguments, results and exceptions, and
poplib's habits too: no certificate is verified unless a context says so.
strict=True gives libpop3's own, careful ones instead.  Beyond poplib there are
login(), sasl(), iter_retr(), retr_many(), download() and the with statement.
"""

import collections
import ctypes
import errno
import io
import os
import re
import select
import socket
import struct
import sys

try:
    import ssl
except ImportError:
    ssl = None
HAVE_SSL = ssl is not None

__all__ = ["POP3", "error_proto"]

POP3_PORT = 110
POP3_SSL_PORT = 995

CR = b"\r"
LF = b"\n"
CRLF = CR + LF

# Octets of a line, its end included; what is assigned here counts at once.
_MAXLINE = 2048


class error_proto(Exception):
    """Refused by the server, or an answer that is none."""


class Message(collections.namedtuple("Message", "number octets uid")):
    """A message of a download; uid is bytes, or None where it has none."""

    __slots__ = ()

    @classmethod
    def _at(cls, address):
        it = _Message.from_address(address)
        uid = ctypes.string_at(it.uid, it.uid_length) if it.uid else None
        return cls(it.number, it.octets, uid)


class Downloaded(collections.namedtuple("Downloaded", (
        "messages octets known deleted refused not_stored dele_refused no_uid "
        "skipped quit"))):
    """What a download came to, in numbers of messages: stored now (and their
    octets), known from an earlier run, marked for deletion, refused, not to be
    stored, not to be deleted, without a UID; lines of listings that made no
    sense; and whether QUIT was answered, so that the deletions are done."""

    __slots__ = ()

    @classmethod
    def _of(cls, out):
        return cls(*(getattr(out, name) for name in cls._fields[:-1]),
                   bool(out.quit))


# What becomes of a message, in the order of pop3_outcome.
OUTCOMES = ("stored", "refused", "not stored", "deleted", "dele refused",
            "no uid", "doubtful")


# ---- The library ------------------------------------------------------------

_READ = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p,
                         ctypes.c_size_t)
_WAIT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int,
                         ctypes.c_int)
_CLOSE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_START_TLS = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)
_DEBUG = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p,
                          ctypes.c_size_t)
_SASL = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
                         ctypes.c_size_t, ctypes.POINTER(ctypes.c_void_p),
                         ctypes.POINTER(ctypes.c_size_t))
_OUTCOME = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p,
                            ctypes.c_int)
_ASKED = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class _Stream(ctypes.Structure):
    _fields_ = [("read", _READ), ("write", _READ), ("wait", _WAIT),
                ("close", _CLOSE), ("start_tls", _START_TLS),
                ("is_private", ctypes.c_int)]


class _Line(ctypes.Structure):
    _fields_ = [("text", ctypes.c_void_p), ("length", ctypes.c_size_t),
                ("octets", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    _fields_ = [("number", ctypes.c_uint64), ("octets", ctypes.c_uint64),
                ("uid_length", ctypes.c_size_t), ("uid", ctypes.c_void_p)]


class _Progress(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in
                ("messages", "octets", "all_messages", "all_octets")]


class _Downloaded(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in
                ("messages", "octets", "known", "deleted", "refused",
                 "not_stored", "dele_refused", "no_uid", "skipped")]
    _fields_ += [("quit", ctypes.c_int)]


_int, _text, _pointer = ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p
_ref, _u64, _size = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_size_t

# name: result, arguments.  A `pop3 *` and whatever is filled are pointers.
_PROTOTYPES = {
    "pop3_new": (_pointer,),
    "pop3_free": (None, _pointer),
    "pop3_version": (_text,),
    "pop3_error": (_text, _pointer),
    "pop3_reply": (_pointer, _pointer, _ref),
    "pop3_getwelcome": (_pointer, _pointer, _ref),
    "pop3_state": (_int, _pointer),
    "pop3_set_timeout": (None, _pointer, _int),
    "pop3_set_limit": (_int, _pointer, _int, _u64),
    "pop3_set_poplib_rules": (None, _pointer, _int),
    "pop3_set_allow_insecure_login": (None, _pointer, _int),
    "pop3_set_stls": (None, _pointer, _int),
    "pop3_set_login_method": (_int, _pointer, _text),
    "pop3_set_debug": (None, _pointer, _DEBUG, _pointer),
    "pop3_set_debuglevel": (None, _pointer, _int),
    "pop3_connect_stream": (_int, _pointer, _ref, _pointer, _text, _int),
    "pop3_command": (_int, _pointer, _text, _int),
    "pop3_read_line": (_int, _pointer, _ref),
    "pop3_body_lines": (_int, _pointer, _ref),
    "pop3_lines_free": (None, _pointer),
    "pop3_next_slice": (_int, _pointer, _ref, _ref),
    "pop3_pass": (_int, _pointer, _text),
    "pop3_apop": (_int, _pointer, _text, _text),
    "pop3_stls": (_int, _pointer),
    "pop3_login": (_int, _pointer, _text, _text),
    "pop3_login_method": (_text, _pointer),
    "pop3_auth": (_int, _pointer, _text, _text, _text),
    "pop3_auth_callback": (_int, _pointer, _text, _int, _SASL, _pointer),
}

# The same of libraries that have them.
_PROTOTYPES_NEWER = {
    "pop3_queue_retr": (_int, _pointer, _u64, _u64, _pointer),
    "pop3_next_reply": (_int, _pointer, _ref),
    "pop3_pending": (_size, _pointer),
    "pop3_maildir_open": (_int, _pointer, _text, _ref),
    "pop3_maildir_close": (None, _pointer),
    "pop3_stored_open": (_int, _pointer, _pointer, _text, _text, _int, _ref),
    "pop3_stored_close": (None, _pointer),
    "pop3_plan_new": (_pointer,),
    "pop3_plan_free": (None, _pointer),
    "pop3_plan_maildir": (None, _pointer, _pointer, _pointer),
    "pop3_plan_number": (_int, _pointer, _u64),
    "pop3_plan_newest": (None, _pointer, _u64),
    "pop3_plan_max_octets": (None, _pointer, _u64),
    "pop3_plan_on_select": (None, _pointer, _ASKED, _pointer),
    "pop3_plan_delete": (None, _pointer, _int),
    "pop3_plan_quit": (None, _pointer, _int),
    "pop3_plan_on_outcome": (None, _pointer, _OUTCOME, _pointer),
    "pop3_plan_on_progress": (None, _pointer, _ASKED, _pointer),
    "pop3_download": (_int, _pointer, _pointer, _ref),
}

_PROTO, _TOO_LONG, _CLOSED, _IO, _STOPPED = 1, 3, 4, 15, 16
_SHORT, _LONG = 0, 1
_NOT_CONNECTED, _DEAD = 0, 3
_LIMIT_REPLY = 0
_STLS_IF_OFFERED, _STLS_NEVER, _STLS_REQUIRED = 0, 1, 2
_SASL_CLIENT_FIRST, _SASL_WAITS, _SASL_REVEALS = 1, 2, 4
_WANT_READ, _WANT_WRITE, _FAILED = -1, -2, -4
_STREAM_READ, _STREAM_WRITE = 1, 2


def _library():
    """What to load: $LIBPOP3; else what stands beside this file, as in a
    wheel; else what the system's loader finds."""
    darwin = sys.platform == "darwin"
    name = "libpop3.0.dylib" if darwin else "libpop3.so.0"
    here = os.path.dirname(os.path.abspath(__file__))
    beside = os.path.join(here, name)
    default = beside if os.path.exists(beside) else name
    return os.environ.get("LIBPOP3") or default


def _load():
    try:
        library = ctypes.CDLL(_library())
    except OSError as error:
        raise ImportError("libpop3 is not found (%s); set LIBPOP3 to the path "
                          "of the shared library" % error) from None
    if not hasattr(library, "pop3_new"):
        raise ImportError(_library() + " is no libpop3")
    for table in _PROTOTYPES, _PROTOTYPES_NEWER:
        for function, types in table.items():
            if table is _PROTOTYPES or hasattr(library, function):
                _declare(library, function, types)
    return library


def _declare(library, function, types):
    try:
        entry = getattr(library, function)
    except AttributeError:
        raise ImportError("this libpop3 is too old: it has no " +
                          function) from None
    entry.restype, entry.argtypes = types[0], types[1:]


_lib = _load()
_command = _lib.pop3_command  # of every message, as the next two are
_body_lines, _lines_free = _lib.pop3_body_lines, _lib.pop3_lines_free


def _newer(function):
    """A function that not every libpop3 has."""
    if function not in _PROTOTYPES_NEWER or not hasattr(_lib, function):
        raise NotImplementedError("this libpop3 has no " + function)
    return getattr(_lib, function)


# ---- The stream that the library reads and writes ---------------------------

class _Wire:
    """sock and file, as the library sees them.

    It does not know the connection but while the library is at work, so that a
    connection that nobody holds any more is freed at once.
    """

    def __init__(self, sock, file, greeting):
        self.ahead = greeting   # what is read before anything of the server
        self.mute = True        # what the library says was said already
        self.waits = False      # nothing blocks; the library waits itself
        self.eof = False        # the end has been read
        self.lost = False       # a handshake failed
        self.error = None       # what a callback raised, until it is told
        self.failed = False     # one did
        self.owner = None       # the connection that is at work
        self.context = None     # for STLS; None: one that verifies
        self.room = None        # where the library's buffer was the last time
        self.size = 0
        self.buffer = None      # that, as Python sees it
        self.adopt(sock, file)

    def adopt(self, sock, file):
        """Takes a true socket's bytes straight into the library's buffer, and
        those of anything else as the file gives them."""
        # What wraps a file is asked for every line, and so is a subclass.
        raw = file.raw if type(file) is io.BufferedReader else None
        direct = (isinstance(sock, socket.socket) and
                  isinstance(raw, socket.SocketIO) and
                  not getattr(raw, "_timeout_occurred", True))
        self.sock, self.file = sock, file
        self.receive = sock.recv_into if direct else None

    def take(self, data, size):
        """Reads into size bytes at the address data; how many came."""
        if self.receive is None or self.ahead:
            return self._take_slowly(data, size)
        if data != self.room or size != self.size:
            self.room, self.size = data, size
            self.buffer = (ctypes.c_char * size).from_address(data)
        n = self.receive(self.buffer)
        if not n:
            self.eof = True
        return n

    def _take_slowly(self, data, size):
        chunk = self.ahead
        if not chunk:
            # A file that somebody made may have nothing but readline, and
            # return more than it was asked for.
            own = isinstance(self.file, io.BufferedIOBase)
            read = self.file.read1 if own else self.file.readline
            chunk = bytes(memoryview(read(size)))
            self.eof = not chunk
        chunk, self.ahead = chunk[:size], chunk[size:]
        ctypes.memmove(data, chunk, len(chunk))
        return len(chunk)

    def put(self, data):
        self._audit(data)
        if self.waits:
            return self.sock.send(data)
        self.sock.sendall(data)
        return len(data)

    def _audit(self, data):
        for line in data.splitlines():
            sys.audit("poplib.putline", self.owner, line)

    def wait(self, want, milliseconds):
        events = select.POLLIN if want & _STREAM_READ else 0
        events |= select.POLLOUT if want & _STREAM_WRITE else 0
        poll = select.poll()
        poll.register(self.sock.fileno(), events)
        return len(poll.poll(milliseconds if milliseconds >= 0 else None))

    def start_tls(self):
        context = self.context or ssl.create_default_context()
        self.lost = True        # unless the handshake comes to its end
        sock = context.wrap_socket(self.sock, server_hostname=self.owner.host)
        self.lost = False
        self.adopt(sock, sock.makefile("rb"))

    def timed_out(self):
        """As a file of a socket does: it is not read any more."""
        raw = getattr(self.file, "raw", None)
        if isinstance(raw, socket.SocketIO):
            raw._timeout_occurred = True


def _status(wire, error, blocked):
    """What a callback returns for an exception; only a true one is kept."""
    if wire.waits and isinstance(error, BlockingIOError):
        return blocked
    if wire.waits and HAVE_SSL and isinstance(error, ssl.SSLWantReadError):
        return _WANT_READ
    if wire.waits and HAVE_SSL and isinstance(error, ssl.SSLWantWriteError):
        return _WANT_WRITE
    if isinstance(error, socket.timeout):
        wire.timed_out()
    wire.error, wire.failed = error, True
    return _FAILED


def _stream_of(wire):
    """The library's table of functions over a wire.

    Each is one try from end to end, so that no exception is lost; for what
    comes before it begins, see _keep().
    """
    def read(_arg, data, size):
        try:
            return wire.take(data, size)
        except BaseException as error:
            return _status(wire, error, _WANT_READ)

    def write(_arg, data, size):
        try:
            if wire.mute:
                return size
            return wire.put(ctypes.string_at(data, size))
        except BaseException as error:
            return _status(wire, error, _WANT_WRITE)

    def wait(_arg, want, milliseconds):
        try:
            return wire.wait(want, milliseconds)
        except BaseException as error:
            return _status(wire, error, _FAILED)

    def start_tls(_arg, _name):
        try:
            wire.start_tls()
            return 1
        except BaseException as error:
            return _status(wire, error, _FAILED)

    return _Stream(read=_READ(read), write=_READ(write), wait=_WAIT(wait),
                   start_tls=_START_TLS(start_tls),
                   is_private=hasattr(wire.sock, "context"))


_CALLBACKS = frozenset(("read", "write", "wait", "start_tls", "show",
                        "respond", "_asked", "_became", "_came"))


def _keep(unraisable, hand_on=sys.unraisablehook):
    """The hook for exceptions that nobody can catch.

    Python calls the handler of a signal at the first step of a function,
    before any try.  If that is a callback, what the handler raises
    (KeyboardInterrupt, as a rule) ends here, and the library is told some
    number at random.  It is kept, to be raised when the library returns,
    whatever that says.
    """
    traceback = unraisable.exc_traceback
    frame = traceback and traceback.tb_frame
    if frame and frame.f_globals is globals() and \
            frame.f_code.co_name in _CALLBACKS:
        there = frame.f_locals
        wire = there["wire"] if "wire" in there else there["self"].wire
        wire.error, wire.failed = unraisable.exc_value, True
    else:
        hand_on(unraisable)  # bound above, for reload() defines this anew


sys.unraisablehook = _keep


def _debug_of(wire):
    def show(_arg, from_server, line, length):
        try:
            wire.owner._show_native(from_server,
                                    ctypes.string_at(line, length))
        except BaseException as error:
            wire.error = error
    return _DEBUG(show)


def _sasl_of(callback, wire):
    """The library's form of a caller's mechanism."""
    kept = []  # the response, until the next one

    def respond(_arg, challenge, length, response, response_length):
        try:
            # A challenge may be empty, and is not None then.
            given = ctypes.string_at(challenge, length) if challenge else None
            answer = callback(given)
            if answer is None:
                return 1
            answer = bytes(answer)
            kept[:] = [ctypes.create_string_buffer(answer, len(answer) + 1)]
            response[0] = ctypes.addressof(kept[0])
            response_length[0] = len(answer)
            return 0
        except BaseException as error:
            wire.error = error
            return 1
    return _SASL(respond)


class _Handle:
    """A connection of the library over a wire, freed with this object."""

    def __init__(self, wire, name):
        self.wire = wire
        self.stream = _stream_of(wire)
        self.debug = _debug_of(wire)
        self.name = name
        self.lax = None        # the rules in force
        self.limit = None      # the length of a line in force
        self.body = None       # who takes the body that is being read
        self.queued = None     # who takes the replies that are on their way
        self.out = ctypes.c_void_p()
        self.out_reference = ctypes.byref(self.out)
        self.pointer = _lib.pop3_new()
        if not self.pointer:
            raise MemoryError
        _lib.pop3_set_timeout(self.pointer, 0)
        _lib.pop3_set_debug(self.pointer, self.debug, None)

    def __del__(self, free=_lib.pop3_free):
        free(getattr(self, "pointer", None))

    def connect(self):
        return _lib.pop3_connect_stream(self.pointer,
                                        ctypes.byref(self.stream), None,
                                        self.name, 0)

    def obey(self, lax, limit):
        """Sets poplib's rules or the library's, and the limit of a line."""
        if lax != self.lax:
            _lib.pop3_set_poplib_rules(self.pointer, lax)
            self.lax = lax
        if limit != self.limit:
            _lib.pop3_set_limit(self.pointer, _LIMIT_REPLY,
                                max(int(limit), 1))
            self.limit = limit

    def is_dead(self):
        return _lib.pop3_state(self.pointer) == _DEAD

    def is_closed(self):
        return _lib.pop3_state(self.pointer) == _NOT_CONNECTED

    def text_of(self, function):
        length = ctypes.c_size_t()
        text = function(self.pointer, ctypes.byref(length))
        return ctypes.string_at(text, length.value)

    def message(self):
        return _lib.pop3_error(self.pointer).decode("utf-8", "replace")

    def next_slice(self):
        """The code, and the next piece of the body; None at its end."""
        data, length = ctypes.c_void_p(), ctypes.c_size_t()
        code = _lib.pop3_next_slice(self.pointer, ctypes.byref(data),
                                    ctypes.byref(length))
        if code or not data.value:
            return code, None
        return code, ctypes.string_at(data.value, length.value)

    def body_lines(self):
        """The code, and the body: status line, lines, octets."""
        code = _body_lines(self.pointer, self.out_reference)
        if code:
            return code, None
        try:
            return code, _body_at(self.out.value)
        finally:
            _lines_free(self.out)


# pop3_lines, pop3_line: read by few calls, for there may be many of them.
_LINES = struct.Struct("@PNNPQ")
_LINE = struct.Struct("@PNN")


def _body_at(address):
    """A pop3_lines as poplib's (reply, lines, octets).

    The lines stand in one piece with a NUL behind each, so the work is done by
    one split, unless there are NULs within them.
    """
    string_at = ctypes.string_at
    status, length, count, rows, octets = _LINES.unpack(
        string_at(address, _LINES.size))
    reply = string_at(status, length)
    if not count:
        return reply, [], octets
    rows = string_at(rows, count * _LINE.size)
    first = _LINE.unpack_from(rows)[0]
    last, length, _octets = _LINE.unpack_from(rows, len(rows) - _LINE.size)
    lines = string_at(first, last + length - first).split(b"\0")
    if len(lines) != count:
        lines = [string_at(text, length)
                 for text, length, _octets in _LINE.iter_unpack(rows)]
    return reply, lines, octets


# ---- Errors and output ------------------------------------------------------

def _tls_error(message):
    return ssl.SSLError(message) if HAVE_SSL else OSError(message)


def _certificate_error(message):
    if HAVE_SSL:
        return ssl.SSLCertVerificationError(message)
    return OSError(message)


# By pop3_code; PROTO, which has the server's words, is made elsewhere.
_ERRORS = {
    _TOO_LONG: lambda message: error_proto("line too long"),
    _CLOSED: lambda message: error_proto("-ERR EOF"),
    5: lambda message: socket.timeout("timed out"),
    6: lambda message: socket.gaierror(message),
    7: lambda message: ConnectionError(message),
    8: _tls_error,
    9: _certificate_error,
    12: lambda message: ValueError(message),
    14: lambda message: MemoryError(message),
    _IO: lambda message: OSError(errno.EIO, message),
}

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_STARS = "****"


def _masked(line):
    """A line as it may be shown: without what logs somebody in."""
    text = line if isinstance(line, str) else str(line, "latin-1")
    verb, blank, _secret = text.partition(" ")
    if not blank or verb.upper() not in ("PASS", "APOP", "AUTH"):
        return line
    text = verb + " " + _STARS
    return text if isinstance(line, str) else text.encode("latin-1")


def _is_local(sock):
    """Whether what is said stays on this machine."""
    try:
        peer = sock.getpeername()
    except (AttributeError, OSError):
        return False
    if not isinstance(peer, tuple):
        return sock.family == getattr(socket, "AF_UNIX", None)
    host = str(peer[0])
    return host.startswith(("127.", "::ffff:127.")) or host == "::1"


def _number(value):
    """A number as the library has it; ctypes would cut off what is beyond 64
    bits, and so name another message."""
    text = str(value)
    if not (text.isascii() and text.isdigit()) or int(text) >= 1 << 64:
        raise ValueError("neither 0 nor a positive integer of 64 bits: %r" %
                         (value,))
    return int(text)


# ---- A connection -----------------------------------------------------------

class POP3:
    """A connection to a POP3 server in the clear.

    host, port, timeout: as for socket.create_connection; a timeout of 0 is a
    ValueError.  strict: libpop3's rules for replies and passwords instead of
    poplib's.  Numbers of messages may be int or str.  Replies are bytes, with
    their "+OK"; a long one is (reply, list of lines, octets).  A refusal
    raises error_proto with the server's words in bytes.
    """

    encoding = "UTF-8"
    timestamp = re.compile(rb"\+OK.[^<]*(<.*>)")

    # For subclasses that do without __init__.
    _handle = None
    _strict = False
    _debugging = 0
    _dialogue = False
    _process = None  # whose connection it is
    _verb = b""
    _tls_established = False

    def __init__(self, host, port=POP3_PORT,
                 timeout=socket._GLOBAL_DEFAULT_TIMEOUT, *, strict=False):
        self.host = host
        self.port = port
        self._strict = strict
        self._tls_established = False
        sys.audit("poplib.connect", self, host, port)
        self.sock = self._create_socket(timeout)
        self.file = self.sock.makefile("rb")
        self._debugging = 0
        self.welcome = self._greet() if strict else self._getresp()

    def _create_socket(self, timeout):
        if timeout is None or timeout:
            return socket.create_connection((self.host, self.port), timeout)
        raise ValueError("Non-blocking socket (timeout=0) is not supported")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        """Ends the session, which deletes what is marked; after an error the
        connection is closed without a word, and nothing is deleted."""
        try:
            if kind is None and self.sock is not None:
                self.quit()
        finally:
            try:
                self.close()
            except OSError:  # what went wrong before counts
                if kind is None:
                    raise

    # -- The library's side of it --

    def _attach(self, greeting):
        """A handle over the sock and file of now.

        greeting: what the library is to take for the server's; None: the
        server speaks next.  Raises what a greeting can raise.
        """
        wire = _Wire(self.sock, self.file, greeting)
        name = str(getattr(self, "host", "") or "localhost")
        handle = _Handle(wire, name.encode("utf-8", "replace"))
        handle.obey(not self._strict, _MAXLINE)
        self._handle = handle
        self._process = self._process or os.getpid()
        code = handle.connect()
        if code:
            raise self._failure(handle, code)
        return handle

    def _greet(self):
        """The greeting by the library's rules."""
        try:
            handle = self._attach(None)
        except BaseException:
            self.close()
            raise
        return handle.text_of(_lib.pop3_getwelcome)

    def _ready(self, lax):
        """The handle, under these rules, for the next reply.

        A file that is another one gets another handle: what the old one held
        is dropped with it, as poplib's buffer is.
        """
        handle = self._handle
        if handle is None or handle.wire.file is not self.file:
            self.file.readline  # after close(): the AttributeError of poplib
            handle = self._attach(b"+OK\r\n")
        if handle.body is not None:
            self._skip_body(handle)
        if handle.queued is not None:
            self._skip_replies(handle)
        handle.obey(lax, _MAXLINE)
        return handle

    def _heard(self, handle, code):
        """Raises what a call on the handle came to, if it is an error.

        To poplib no connection is dead: a new handle asks the file again,
        which knows best what to say to that.
        """
        if not code and handle.wire.error is None:
            return
        if not self._strict and (handle.is_dead() or handle.wire.failed):
            self._handle = None
        # Not through a variable: the exception would hold the frame that holds
        # it, and the socket would stay open until the next garbage collection.
        raise self._failure(handle, code)

    def _failure(self, handle, code):
        wire = handle.wire
        error, wire.error = wire.error, None
        if error is not None:
            return error
        if code == _PROTO:
            return error_proto(handle.text_of(_lib.pop3_reply))
        unseen = code == _IO or code == _CLOSED and not wire.eof
        if unseen and not wire.failed and handle.is_dead():
            # Who replaced the hook has the signal's exception.
            return KeyboardInterrupt()
        return _ERRORS.get(code, error_proto)(handle.message())

    def _native(self, function, *args):
        """A call that speaks to the server itself, by the library's rules."""
        return self._run(self._ready(False), function, *args)

    def _run(self, handle, function, *args):
        wire = handle.wire
        wire.mute, wire.owner = False, self
        if self._debugging:
            _lib.pop3_set_debuglevel(handle.pointer, self._debugging)
        try:
            code = function(handle.pointer, *args)
        finally:
            wire.mute, wire.owner = True, None
            self._follow(wire)
            if self._debugging:
                _lib.pop3_set_debuglevel(handle.pointer, 0)
        self._heard(handle, code)
        return handle

    def _follow(self, wire):
        """Takes over the sock and file of a STLS within the library; where
        that failed, there is no connection any more."""
        if wire.lost:
            self.file.close()
            self.sock = self.file = None
        elif wire.sock is not self.sock:
            self.sock, self.file = wire.sock, wire.file
            self._tls_established = True

    def _native_reply(self, function, *args):
        return self._native(function, *args).text_of(_lib.pop3_reply)

    def _reply(self, shape):
        """Awaits the answer to what _putline() sent.

        The library believes to say it itself: the wire is mute.
        """
        handle = self._ready(not self._strict)
        code = _command(handle.pointer, self._verb or b"NOOP", shape)
        if code or handle.wire.error is not None:
            self._heard(handle, code)
        return handle

    # -- What programs reach for --

    def _putline(self, line):
        if self._debugging > 1:
            print("*put*", repr(self._shown(line)))
        sys.audit("poplib.putline", self, line)
        self.sock.sendall(line + CRLF)
        self._verb = line[:16].partition(b" ")[0]

    def _putcmd(self, line):
        if self._debugging:
            print("*cmd*", repr(self._shown(line)))
        octets = bytes(line, self.encoding)
        if _CONTROL.search(octets):
            raise ValueError("Control characters not allowed in commands")
        self._putline(octets)
        if line[:5].upper() == "AUTH ":  # debugging may begin within it
            self._dialogue = True

    def _getline(self):
        handle = self._ready(not self._strict)
        line = _Line()
        code = _lib.pop3_read_line(handle.pointer, ctypes.byref(line))
        if code == _CLOSED and self._debugging > 1:
            print("*get*", repr(b""))
        self._heard(handle, code)
        text = ctypes.string_at(line.text, line.length)
        if self._debugging > 1:
            ends = LF if line.octets == line.length + 1 else CRLF
            print("*get*", repr(text + ends))
        return text, line.octets

    def _getresp(self):
        if self._strict:
            self._dialogue = False  # "+ " is an error
            return self._reply(_SHORT).text_of(_lib.pop3_reply)
        line, _octets = self._getline()
        if self._debugging > 1:
            print("*resp*", repr(line))
        self._dialogue = self._dialogue and line[:2] in (b"+", b"+ ")
        if line[:1] != b"+":
            raise error_proto(line)
        return line

    def _getlongresp(self):
        if self._is_watched() and not self._strict:
            return self._getlongresp_by_lines()
        handle = self._reply(_LONG)
        code, body = handle.body_lines()
        if code or handle.wire.error is not None:
            self._heard(handle, code)
        return body

    def _is_watched(self):
        """Whether somebody wants to see each line as it comes."""
        return (self._debugging > 1 or
                getattr(self._getline, "__func__", None) is not _GETLINE or
                getattr(self._getresp, "__func__", None) is not _GETRESP)

    def _getlongresp_by_lines(self):
        resp, lines, total = self._getresp(), [], 0
        while True:
            line, octets = self._getline()
            if line == b".":
                return resp, lines, total
            stuffed = line[:2] == b".."
            lines.append(line[stuffed:])
            total += octets - stuffed

    def _shortcmd(self, line):
        self._putcmd(line)
        return self._getresp()

    def _longcmd(self, line):
        self._putcmd(line)
        return self._getlongresp()

    # -- Output --

    def _shown(self, line):
        if self._dialogue:
            return _STARS if isinstance(line, str) else _STARS.encode()
        return _masked(line)

    def _show_native(self, from_server, line):
        """What is said in a call of _native()."""
        if from_server:
            print("*get*", repr(line + CRLF))
            return
        print("*cmd*", repr(line.decode("utf-8", "replace")))
        if self._debugging > 1:
            print("*put*", repr(line))

    def set_debuglevel(self, level):
        """0: nothing is printed; 1: each command; 2: each line both ways."""
        self._debugging = level

    def getwelcome(self):
        """The greeting."""
        return self.welcome

    # -- Logging in --

    def user(self, user):
        """USER: who it is.  The reply."""
        return self._shortcmd("USER %s" % user)

    def pass_(self, pswd):
        """PASS: the password, on which the maildrop is locked.  The reply."""
        if self._strict:
            return self._strict_login(_lib.pop3_pass, "%s" % pswd)
        return self._shortcmd("PASS %s" % pswd)

    def rpop(self, user):
        """RPOP, which nobody should use.  The reply."""
        return self._shortcmd("RPOP %s" % user)

    def apop(self, user, password):
        """APOP: logs in without revealing the password to who listens, where
        the greeting has a timestamp.  The reply."""
        if self._strict:
            return self._strict_login(_lib.pop3_apop, "%s" % user, password)
        secret = bytes(password, self.encoding)
        stamp = self.timestamp.match(self.welcome)
        if stamp is None:
            raise error_proto("-ERR APOP not supported by server")
        import hashlib  # by few, and not for nothing
        digest = hashlib.md5(stamp.group(1) + secret).hexdigest()
        return self._shortcmd("APOP %s %s" % (user, digest))

    def _strict_login(self, function, *words):
        words = [self._word(word) for word in words]
        self._allow(False)
        return self._native_reply(function, *words)

    def _word(self, word):
        """A name or password for the library, str or bytes."""
        word = word.encode(self.encoding) if isinstance(word, str) else word
        if word is not None and _CONTROL.search(word):
            raise ValueError("Control characters not allowed in commands")
        return word

    def _allow(self, insecure):
        """A password may cross a link that is private, or this machine's."""
        pointer = self._ready(False).pointer
        _lib.pop3_set_allow_insecure_login(pointer,
                                           insecure or _is_local(self.sock))

    # -- The maildrop --

    def stat(self):
        """STAT: how many messages, and how many octets."""
        words = self._shortcmd("STAT").split()
        if self._debugging:
            print("*stat*", repr(words))
        return int(words[1]), int(words[2])

    def list(self, which=None):
        """LIST: the size of each message, or the reply for one."""
        if which is None:
            return self._longcmd("LIST")
        return self._shortcmd("LIST %s" % which)

    def uidl(self, which=None):
        """UIDL: the unique-id of each message, or the reply for one."""
        if which is None:
            return self._longcmd("UIDL")
        return self._shortcmd("UIDL %s" % which)

    def retr(self, which):
        """RETR: a message, which the server may take for seen."""
        return self._longcmd("RETR %s" % which)

    def top(self, which, howmuch):
        """TOP: the header of a message and howmuch lines of its body."""
        return self._longcmd("TOP %s %s" % (which, howmuch))

    def dele(self, which):
        """DELE: marks a message, to be deleted at QUIT.  The reply."""
        return self._shortcmd("DELE %s" % which)

    def rset(self):
        """RSET: takes all marks back.  The reply."""
        return self._shortcmd("RSET")

    def noop(self):
        """NOOP: is there still somebody?  The reply."""
        return self._shortcmd("NOOP")

    def utf8(self):
        """UTF8: goes over to UTF-8 (RFC 6856).  The reply."""
        return self._shortcmd("UTF8")

    def capa(self):
        """CAPA: what the server can do, each name with a list of words."""
        try:
            rows = self._longcmd("CAPA")[1]
        except error_proto:
            raise error_proto("-ERR CAPA not supported by server")
        words = [row.decode("ascii").split() for row in rows]
        return {row[0]: row[1:] for row in words}

    # -- TLS --

    def stls(self, context=None):
        """STLS: goes over to TLS (RFC 2595).  The reply.

        context: an ssl.SSLContext; without one nothing is verified, unless
        this is strict.
        """
        if not HAVE_SSL:
            raise error_proto("-ERR TLS support missing")
        if self._tls_established:
            raise error_proto("-ERR TLS session already established")
        if self._strict:
            return self._strict_stls(context)
        if "STLS" not in self.capa():
            raise error_proto("-ERR STLS not supported by server")
        if context is None:
            context = self._default_context()
        resp = self._shortcmd("STLS")
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
        self.file = self.sock.makefile("rb")
        self._tls_established = True
        return resp

    def _strict_stls(self, context):
        """Bytes behind the reply are somebody's on the way, and an error."""
        self._ready(False).wire.context = context
        return self._native_reply(_lib.pop3_stls)

    def _default_context(self, **files):
        if not self._strict:
            return ssl._create_stdlib_context(**files)
        context = ssl.create_default_context()
        if files.get("certfile"):
            context.load_cert_chain(**files)
        return context

    # -- Leaving --

    def quit(self):
        """QUIT: deletes what is marked, then closes.  The reply.

        Refused, or without an answer, the connection stays as it is, as in
        poplib; one that is strict is closed.
        """
        try:
            resp = self._shortcmd("QUIT")
        except BaseException:
            if self._strict:
                self.close()
            raise
        self.close()
        return resp

    def close(self):
        """Closes without a word, which deletes nothing.  May be repeated.  In
        a child by fork the parent's session goes on."""
        self._handle = None
        file, self.file = getattr(self, "file", None), None
        sock, self.sock = getattr(self, "sock", None), None
        try:
            if file is not None:
                file.close()
        finally:
            if sock is not None:
                _hang_up(sock, self._process in (None, os.getpid()))

    # -- Beyond poplib --

    def login(self, user, password, *, method=None, stls=None, context=None,
              allow_insecure=False):
        """Logs in the best way that both sides have; the name of that way.

        On a link in the clear STLS comes first where the server offers it;
        stls=True: or nothing is logged in; stls=False: never.  context: for
        that; without one the certificate is verified.  Then SCRAM, APOP or
        CRAM-MD5; or, on a link that is private or with allow_insecure, what
        reveals the password.  method: "USER", "APOP" or a SASL mechanism, and
        no other.
        """
        policy = {None: _STLS_IF_OFFERED, True: _STLS_REQUIRED,
                  False: _STLS_NEVER}[stls]
        if user is None or password is None:
            raise TypeError("login() needs a user and a password")
        handle = self._fresh()
        pointer = handle.pointer
        handle.wire.context = context
        self._heard(handle, _lib.pop3_set_login_method(pointer,
                                                       self._word(method)))
        _lib.pop3_set_stls(pointer, policy)
        self._allow(allow_insecure)
        self._native(_lib.pop3_login, self._word(user), self._word(password))
        return _lib.pop3_login_method(pointer).decode("ascii")

    def sasl(self, mechanism, user=None, password=None, *, callback=None,
             client_first=True, waits=False, reveals=True,
             allow_insecure=False):
        """Logs in by a SASL mechanism (AUTH, RFC 5034).  The reply.

        password: for XOAUTH2 and OAUTHBEARER the token.  Or a mechanism of the
        caller's: callback(challenge) gives the response to each challenge,
        both bytes, that to None being the initial one; None cancels.
        client_first: there is an initial response; waits: which goes out only
        when asked for; reveals: it shows the password to who listens.
        """
        mechanism = self._word(mechanism)
        self._fresh()
        self._allow(allow_insecure)
        if callback is None:
            return self._native_reply(_lib.pop3_auth, mechanism,
                                      self._word(user), self._word(password))
        flags = (_SASL_CLIENT_FIRST * bool(client_first) |
                 _SASL_WAITS * bool(waits) | _SASL_REVEALS * bool(reveals))
        respond = _sasl_of(callback, self._handle.wire)
        return self._native_reply(_lib.pop3_auth_callback, mechanism, flags,
                                  respond, None)

    def _fresh(self):
        """A handle that knows the greeting, as logging in needs it; but not
        one that came in the clear before TLS."""
        handle = self._ready(False)  # which skips what is on its way
        if self._strict:
            return handle
        greeting = b"+OK"
        if not self._tls_established:
            greeting = self.welcome[:_MAXLINE - len(CRLF)]
        return self._attach(greeting + CRLF)

    def iter_retr(self, which):
        """A message in pieces of bytes as they come, in memory that does not
        grow with it; its lines end as on the wire.  What is not taken is
        skipped by the next command."""
        handle = self._native(_lib.pop3_command, self._word("RETR %s" % which),
                              _LONG)
        handle.body = taker = _Taker()
        return self._pieces(handle, taker)

    def _pieces(self, handle, taker):
        piece = b""
        while handle.body is taker:
            code, piece = handle.next_slice()
            if piece is None:
                handle.body = None
            self._heard(handle, code)
            if piece is None:
                return
            yield piece
        taker.check()

    def _skip_body(self, handle):
        taker, handle.body = handle.body, None
        code, piece = handle.next_slice()
        while piece is not None:
            taker.skipped = True
            code, piece = handle.next_slice()
        self._heard(handle, code)

    def retr_many(self, numbers):
        """Many messages, with as many requests on their way as the server and
        the library's window let be: pairs of a number and what retr() would
        return for it, or the error_proto of one that was refused.  What is not
        taken is read and dropped by the next command."""
        queue = _newer("pop3_queue_retr")
        numbers = [_number(number) for number in numbers]
        handle = self._ready(False)
        taker = handle.queued = _Taker() if numbers else None
        for number in numbers:
            self._heard(handle, queue(handle.pointer, number, 0, None))
        return self._replies(handle, taker, numbers)

    def _replies(self, handle, taker, numbers):
        for number in numbers:
            taker.check()
            result = self._next_message(handle)
            if not _lib.pop3_pending(handle.pointer):
                handle.queued = None
            yield number, result

    def _next_message(self, handle):
        found = []
        try:
            with _Unblocked(handle):
                self._run(handle, self._take_message, handle, found)
            return found[0]
        except error_proto as error:
            if handle.is_dead():
                raise
            return error

    def _take_message(self, pointer, handle, found):
        """While it comes, further requests go out."""
        code = _lib.pop3_next_reply(pointer, None)
        if not code:
            code, body = handle.body_lines()
            found.append(body)
        return code

    def download(self, maildir, *, user=None, numbers=(), newest=0,
                 max_octets=0, select=None, delete=False, quit=False,
                 on_outcome=None, on_progress=None):
        """Stores many messages durably in a Maildir; a Downloaded.

        user: who is logged in; the Maildir then remembers what is stored from
        that account, and only what is new is fetched.  numbers, newest,
        max_octets, select(Message): which messages; all, if nothing is said.
        delete: each is marked for deletion once it is safe; quit: ends the
        session.  on_outcome(Message, one of OUTCOMES); on_progress(messages,
        octets, all_messages, all_octets), a true result of which stops it.
        An exception has what was done until then as .downloaded.
        """
        _newer("pop3_download")
        handle = self._ready(False)
        account = user and (self._word(user), self._word(str(self.host)),
                            int(self.port))
        callbacks = select, on_outcome, on_progress
        try:
            with _Unblocked(handle), _Plan(self, handle, callbacks) as plan:
                plan.goes_to(maildir, account)
                plan.takes(numbers, newest, max_octets)
                plan.ends(delete, quit)
                return plan.run()
        finally:
            if handle.is_closed():  # by QUIT
                self.close()

    def _skip_replies(self, handle):
        taker, handle.queued = handle.queued, None
        with _Unblocked(handle):
            while _lib.pop3_pending(handle.pointer):
                taker.skipped = True
                try:
                    self._run(handle, _lib.pop3_next_reply, None)
                except error_proto:
                    if handle.is_dead():
                        raise


class _Plan:
    """What download() is to do, in the library's terms; opened and freed."""

    def __init__(self, connection, handle, callbacks):
        self.connection = connection
        self.handle, self.wire = handle, handle.wire
        self.callbacks = None
        self.select, self.outcome, self.progress = callbacks
        self.plan = _lib.pop3_plan_new()
        self.maildir = ctypes.c_void_p()
        self.stored = ctypes.c_void_p()
        if not self.plan:
            raise MemoryError

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.callbacks = None  # which hold this, as it holds them
        _lib.pop3_plan_free(self.plan)
        _lib.pop3_stored_close(self.stored)
        _lib.pop3_maildir_close(self.maildir)

    def goes_to(self, maildir, account):
        """account: user, server, port; None: nothing is remembered."""
        pointer = self.handle.pointer
        code = _lib.pop3_maildir_open(pointer, os.fsencode(maildir),
                                      ctypes.byref(self.maildir))
        if not code and account:
            code = _lib.pop3_stored_open(pointer, self.maildir, *account,
                                         ctypes.byref(self.stored))
        self.connection._heard(self.handle, code)
        _lib.pop3_plan_maildir(self.plan, self.maildir, self.stored)

    def takes(self, numbers, newest, max_octets):
        for number in numbers:
            code = _lib.pop3_plan_number(self.plan, _number(number))
            if code:
                raise self.connection._failure(self.handle, code)
        _lib.pop3_plan_newest(self.plan, _number(newest))
        _lib.pop3_plan_max_octets(self.plan, _number(max_octets))

    def ends(self, delete, leave):
        _lib.pop3_plan_delete(self.plan, bool(delete))
        _lib.pop3_plan_quit(self.plan, bool(leave))

    def run(self):
        """What it came to, stopped by progress or not."""
        self._listen()
        out = _Downloaded()
        try:
            self.connection._run(self.handle, self._download, self.plan,
                                 ctypes.byref(out))
        except Exception as error:
            error.downloaded = Downloaded._of(out)
            raise
        return Downloaded._of(out)

    def _download(self, *args):
        code = _lib.pop3_download(*args)
        return 0 if code == _STOPPED else code  # or else wire.error says why

    def _listen(self):
        # They belong to the plan, and so live as long as it.
        self.callbacks = (_ASKED(self._asked), _OUTCOME(self._became),
                          _ASKED(self._came))
        if self.select is not None:
            _lib.pop3_plan_on_select(self.plan, self.callbacks[0], None)
        if self.outcome is not None:
            _lib.pop3_plan_on_outcome(self.plan, self.callbacks[1], None)
        _lib.pop3_plan_on_progress(self.plan, self.callbacks[2], None)

    def _asked(self, _arg, message):
        try:
            return bool(self.wire.error is None and
                        self.select(Message._at(message)))
        except BaseException as error:
            self.wire.error = error
            return 0

    def _became(self, _arg, message, outcome):
        try:
            self.outcome(Message._at(message), OUTCOMES[outcome])
        except BaseException as error:
            self.wire.error = self.wire.error or error

    def _came(self, _arg, progress):
        """Stops the download after an exception of any callback."""
        try:
            if self.wire.error is not None or self.progress is None:
                return self.wire.error is not None
            at = _Progress.from_address(progress)
            return bool(self.progress(at.messages, at.octets, at.all_messages,
                                      at.all_octets))
        except BaseException as error:
            self.wire.error = error
            return 1


class _Taker:
    """Who takes what is on its way; another command may skip it."""

    skipped = False

    def check(self):
        if self.skipped:
            raise error_proto("another command skipped the rest")


class _Unblocked:
    """While many commands are on their way nothing may block: the server may
    wait for this side to read while this side waits for it.  The library waits
    instead, for as long as the socket's timeout says.  Not where it does not
    read from the socket itself: a file takes "not yet" for the end."""

    def __init__(self, handle):
        self.handle = handle
        self.direct = handle.wire.receive is not None
        self.timeout = handle.wire.sock.gettimeout() if self.direct else None

    def __enter__(self):
        if not self.direct:
            return
        timeout, wire = self.timeout, self.handle.wire
        _lib.pop3_set_timeout(self.handle.pointer,
                              0 if timeout is None else
                              max(1, min(int(timeout * 1000), 0x7fffffff)))
        wire.sock.settimeout(0)
        wire.waits = True

    def __exit__(self, *_error):
        if not self.direct:
            return
        wire = self.handle.wire
        wire.waits = False
        wire.sock.settimeout(self.timeout)
        _lib.pop3_set_timeout(self.handle.pointer, 0)


def _hang_up(sock, is_own):
    try:
        if is_own:  # or else it would end for every process that has it
            sock.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        # Not connected any more; 10022 is what Windows says to that.
        if error.errno != errno.ENOTCONN and \
                getattr(error, "winerror", None) != 10022:
            raise
    finally:
        sock.close()


# What reads replies, as long as nobody put something else in its place.
_GETLINE, _GETRESP = POP3._getline, POP3._getresp

if HAVE_SSL:

    class POP3_SSL(POP3):
        """A connection under TLS from the first byte.

        context: an ssl.SSLContext; without one nothing is verified, unless
        strict is true.  keyfile and certfile, a client's certificate, are
        those of poplib before Python 3.12, and exclude a context.
        """

        def __init__(self, host, port=POP3_SSL_PORT, keyfile=None,
                     certfile=None, timeout=socket._GLOBAL_DEFAULT_TIMEOUT,
                     context=None, *, strict=False):
            given = {"keyfile": keyfile, "certfile": certfile}
            for name, file in given.items():
                if file is not None and context is not None:
                    raise ValueError("context and %s arguments are mutually "
                                     "exclusive" % name)
            if keyfile is not None or certfile is not None:
                import warnings
                warnings.warn("keyfile and certfile are deprecated, use a "
                              "custom context instead", DeprecationWarning, 2)
            self.keyfile = keyfile
            self.certfile = certfile
            self._strict = strict
            if context is None:
                context = self._default_context(**given)
            self.context = context
            super().__init__(host, port, timeout, strict=strict)

        def _create_socket(self, timeout):
            return self.context.wrap_socket(super()._create_socket(timeout),
                                            server_hostname=self.host)

        def stls(self, keyfile=None, certfile=None, context=None):
            """There is TLS already."""
            raise error_proto("-ERR TLS session already established")

    __all__.append("POP3_SSL")
