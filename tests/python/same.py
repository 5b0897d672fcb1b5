"""poplib and its drop-in, doing the same with the same server."""
# same.py - shows that pop3.py does what poplib does, behaviour by behaviour
# SPDX-License-Identifier: MIT
#
# Owns the table of behaviours below.  Each is played twice, to Python's poplib
# and to pop3: what every call returned or raised (type and args), what was
# printed and audited, and the bytes that the server received, must be equal.
# Where they are not meant to be, DIFFERENT says why, and that they do differ
# is tested too; bindings/python/README.md says the same to users.
#
# Given by same.sh: PYTHONPATH with bindings/python, LIBPOP3, and CERTS, a
# folder as tests/make_certs.sh makes it; without it what needs TLS is left
# out.

import contextlib
import inspect
import io
import os
import poplib
import ssl
import sys
import unittest

import pop3
from scripted import (CERTS, CLOSE, RESET, SECONDS, SILENCE, STARTTLS, Server)

A_MOMENT = 0.3      # for a server that says nothing

# ---- What a client does -----------------------------------------------------

AUDITED = []


def audit(event, args):
    if event.startswith("poplib."):
        AUDITED.append((event, args[1:]))


sys.addaudithook(audit)


def outcome(call):
    """What a call comes to, in a form that two modules can share."""
    try:
        return "returned", call()
    except Exception as error:
        name = type(error).__name__
        args = tuple(str(arg) if isinstance(arg, Exception) else arg
                     for arg in error.args)
        return "raised", name, type(error).__bases__[0].__name__, args


def make(module, behaviour, port):
    kind = module.POP3_SSL if behaviour.tls else module.POP3
    return kind(behaviour.host, port, timeout=behaviour.timeout,
                **behaviour.options())


def act(client, call):
    if callable(call):
        return call(client)
    return getattr(client, call[0])(*call[1:])


def session(module, behaviour, port):
    found = []
    made = outcome(lambda: make(module, behaviour, port))
    if made[0] == "raised":
        return [made]
    client = made[1]
    found.append(("welcome", client.getwelcome()))
    for call in behaviour.calls:
        found.append((call if isinstance(call, tuple) else "a function",
                      outcome(lambda: act(client, call))))
    found.append(outcome(client.close))
    return found


def played(module, behaviour):
    """All that can be seen of a behaviour from outside."""
    server = Server(behaviour.greeting, behaviour.script, behaviour.tls)
    server.start()
    AUDITED.clear()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        found = session(module, behaviour, server.port)
    server.dismiss()
    audited = [(event, args[:-1] if event == "poplib.connect" else args)
               for event, args in AUDITED]
    heard = server.heard.partition(b"\x16\x03")[0]  # no handshake, random
    return {"calls": found, "heard": heard,
            "printed": printed.getvalue(), "audited": audited}


# ---- The behaviours ---------------------------------------------------------

class Behaviour:
    def __init__(self, name, script, calls, greeting, tls, timeout, host,
                 options):
        self.name, self.script, self.calls = name, script, calls
        self.greeting, self.tls, self.host = greeting, tls, host
        self.timeout, self.options = timeout, options


TABLE = []
HELLO = b"+OK ready\r\n"


def add(name, script, *calls, greeting=HELLO, tls=False, timeout=SECONDS,
        host="127.0.0.1", options=dict):
    TABLE.append(Behaviour(name, script, calls, greeting, tls, timeout, host,
                           options))


# Greetings.
for text in (b"+OK\r\n", b"+OK\n", b"+\r\n", b"+", b"+OK hi", b"+ok hi\r\n",
             b"+OKAY\r\n", b"+ Hola mundo\n", b" +OK\r\n", b"\r\n", b"\n",
             b"-ERR busy\r\n", b"-ERR [IN-USE] busy\r\n", b"*OK\r\n",
             b"+OK \xff\xfe caf\xe9\r\n", b"+OK a\0b\r\n", b"\r+OK\n",
             b"+OK a\rb\r\n", b"HTTP/1.1 400 Bad\r\n",
             b"+OK  two  blanks \r\n"):
    add("greeting %r" % text, [b"+OK\r\n"], ("noop",), greeting=(text, CLOSE)
        if not text.endswith(b"\n") else text)
add("greeting: closed before it", [], greeting=CLOSE)
add("greeting: reset before it", [], greeting=RESET)
add("greeting: never", [], greeting=SILENCE, timeout=A_MOMENT)
for length in 2046, 2047, 2048, 2049, 2050, 4096, 4097, 5000:
    add("greeting of %d octets" % length, [b"+OK\r\n", b"+OK 2\r\n"],
        ("noop",), ("noop",), greeting=b"+OK" + b"x" * (length - 5) + b"\r\n")

# Status lines.
for text in (b"+OK\r\n", b"+OK\n", b"+\n", b"+ \r\n", b"+ok fine\r\n",
             b"+OKAY\r\n", b"-ERR\r\n", b"-ERR no\r\n", b"-err no\r\n",
             b"-ERR [SYS/TEMP] x\r\n", b" +OK\r\n", b"\t+OK\r\n", b"\r\n",
             b"\n", b"\r\r\n", b"OK\r\n", b"-\r\n", b"*\r\n", b".\r\n",
             b"+OK \xe4\xf6\xfc\r\n", b"-ERR \xff\r\n", b"+OK\0\r\n",
             b"\r+OK x\n", b"+OK\r\r\n", b"\n\r+OK\n"):
    add("status %r" % text, [text, b"+OK again\r\n"], ("noop",), ("rset",))
for length in 2047, 2048, 2049, 2050, 4095, 4096, 4097, 6200:
    line = b"+OK" + b"y" * (length - 5) + b"\r\n"
    add("status line of %d octets" % length,
        [line, b"+OK 1\r\n", b"+OK 2\r\n"], ("noop",), ("noop",), ("noop",))
    add("status line of %d octets, LF alone" % length,
        [b"y" + line[:-2] + b"\n", b"+OK 1\r\n"], ("noop",), ("noop",))
add("two replies at once", [b"+OK 1\r\n+OK 2\r\n", b"+OK 3\r\n"],
    ("noop",), ("noop",), ("noop",))
add("a reply before it is asked for", [b"+OK 1\r\n", b"+OK 2\r\n"],
    ("noop",), ("noop",), greeting=b"+OK\r\n+OK early\r\n")
for text in b"", b"+", b"+OK", b"+OK\r", b"-ERR gone\r\n", b"+OK\r\n":
    add("status %r, then closed" % text, [(text, CLOSE)], ("noop",), ("noop",))
add("a command is answered by closing", [CLOSE], ("stat",), ("getwelcome",))
add("a command is answered by a reset", [RESET], ("stat",))
add("a command is not answered", [SILENCE], ("noop",), ("noop",), ("quit",),
    timeout=A_MOMENT)
add("half a status line, then nothing", [b"+O"], ("noop",), ("noop",),
    timeout=A_MOMENT)
add("half a body, then nothing", [b"+OK\r\nhalf\r\nan"],
    ("retr", 1), ("noop",), timeout=A_MOMENT)

# Bodies.
BODIES = [
    b".\r\n", b".\n", b"a\r\n.\r\n", b"a\n.\n", b"a\r\n.\n", b"a\n.\r\n",
    b"\r\n.\r\n", b"\n\n.\r\n", b"..\r\n.\r\n", b"...\r\n.\r\n",
    b"..a\r\n.b\r\n...\r\nc\n\rd\n\n.\r\n", b".x\r\n..x\r\n.\r\n",
    b". \r\n.\r\n", b".\r\r\n.\r\n", b"\r.\n", b"\r.\r\n.\r\n",
    b"a\rb\r\n.\r\n",
    b"a\0b\r\n\0\r\n.\r\n", b"\0\r\n.\r\n", b"\xff\xfe\r\n.\r\n",
    b"a\r\r\n.\r\n", b"\ra\n.\r\n", b"\r\ra\n.\r\n", b" .\r\n.\r\n",
    b"From a\r\n>From b\r\n.\r\n", b"end\n.\nrest\r\n.\r\n",
    b"x" * 2046 + b"\r\n.\r\n", b"x" * 2047 + b"\n.\r\n",
    b".." + b"x" * 2044 + b"\r\n.\r\n",
    b"".join(b"line %d\r\n" % n for n in range(5000)) + b".\r\n",
]
for number, body in enumerate(BODIES):
    add("body %d: %r" % (number, body[:30]),
        [b"+OK here\r\n" + body, b"+OK next\r\n"], ("retr", 1), ("noop",))
for length in 2047, 2048, 2049, 2050, 5000:
    add("a body with a line of %d octets" % length,
        [b"+OK\r\nfirst\r\n" + b"z" * (length - 2) + b"\r\nlast\r\n.\r\n"],
        ("retr", 1))
add("after a line too long in a body",
    [b"+OK\r\nfirst\r\n" + b"z" * 3000 + b"\r\nlast\r\n.\r\n",
     b"+OK next\r\n"],
    ("retr", 1), ("noop",))
whole = b"+OK 9 octets\r\nab\r\n..c\r\n.\r\n"
for cut in range(len(whole)):
    add("a message that ends after %d octets" % cut, [(whole[:cut], CLOSE)],
        ("retr", 7), ("stat",))
add("a message refused", [b"-ERR no such message\r\n", b"+OK\r\n"],
    ("retr", 99), ("noop",))
add("a message of one octet a line", [b"+OK\r\n" + b"a\r\n" * 300 + b".\r\n"],
    ("retr", 1))

# Commands and their arguments.
add("every command", [b"+OK\r\n"] * 12,
    ("user", "me"), ("pass_", "secret"), ("rpop", "me"), ("dele", 1),
    ("noop",), ("rset",), ("utf8",), ("list", 1), ("uidl", "2"),
    ("list", 0), ("list", ""), ("quit",))
add("arguments out of all order", [b"+OK\r\n.\r\n"] * 5 + [b"+OK\r\n"] * 3,
    ("retr", "foo"), ("retr", -1), ("top", 1, ""), ("top", "1", 10),
    ("retr", b"1"), ("dele", -1), ("dele", None), ("dele", 1.5))
add("a name that is not ASCII", [b"+OK\r\n"] * 2, ("user", "J\u00f6rg"),
    ("pass_", "p\u00e4ss word "))
add("another encoding", [b"+OK\r\n"],
    lambda c: setattr(c, "encoding", "latin-1"), ("user", "J\u00f6rg"))
add("what an encoding cannot say", [b"+OK\r\n"],
    lambda c: setattr(c, "encoding", "ascii"), ("user", "J\u00f6rg"),
    ("noop",))
add("bytes as an argument", [b"+OK\r\n"], ("user", b"me"))
add("too few arguments", [], lambda c: c.retr(), lambda c: c.top(1))
add("lists", [b"+OK 2\r\n1 100\r\n2 200\r\n.\r\n", b"+OK\r\n.\r\n",
              b"+OK\r\n1 a\r\n3 b c\r\n\r\n.\r\n", b"+OK 1 100\r\n",
              b"+OK 1 uid\r\n", b"-ERR none\r\n"],
    ("list",), ("list",), ("uidl",), ("list", 1), ("uidl", 1), ("uidl", 9))
for text in (b"+OK 2 320\r\n", b"+OK 2 320 extra\r\n", b"+OK -1 -2\r\n",
             b"+OK  2   320\r\n", b"+ 1 2\r\n", b"-ERR no\r\n",
             b"+OK 1_0 2\r\n", b"+OK\t3\t4\r\n",
             b"+OK 99999999999999999999 1\r\n"):
    add("STAT answered %r" % text, [text], ("stat",))
for text in (b"+OK 2\r\n", b"+OK\r\n", b"+OK a b\r\n", b"+OK 2 3.5\r\n",
             b"+OK \xb2 1\r\n"):
    add("STAT answered badly: %r" % text, [text], ("stat",))

# APOP.
for text in (b"+OK <1.2@host>\r\n", b"+OK ready <1.2@host> bye\r\n",
             b"+OK <nothing>\r\n", b"+OK<a@b>\r\n", b"+OK x<a><b>\r\n",
             b"+OK <a@b\r\n", b"+OK a@b>\r\n", b"+ <a@b>\r\n",
             b"+OK \xff<\xe9@b>\r\n", b"+OK <>\r\n"):
    add("APOP with greeting %r" % text, [b"+OK\r\n"],
        ("apop", "me", "s\u00e9cret"), greeting=text)
add("APOP refused", [b"-ERR no\r\n"], ("apop", "me", "x"),
    greeting=b"+OK <a@b>\r\n")
add("APOP with another welcome", [b"+OK\r\n"],
    lambda c: setattr(c, "welcome", b"+OK <other@one>"), ("apop", "me", "x"))
add("APOP with bytes for a password", [b"+OK\r\n"], ("apop", "me", b"x"),
    greeting=b"+OK <a@b>\r\n")

# Capabilities.
for text in (b"+OK\r\n.\r\n",
             b"+OK\r\nTOP\r\nSASL PLAIN LOGIN\r\nuidl\r\n.\r\n",
             b"+OK\r\nSASL A\r\nSASL B\r\nsasl C\r\n.\r\n",
             b"+OK\r\n  TOP  \r\n.\r\n", b"-ERR what\r\n",
             b"+OK\r\nTOP", b"+OK\r\n" + b"X" * 3000 + b"\r\n.\r\n",
             b"+OK\r\n\r\n.\r\n", b"+OK\r\n \r\n.\r\n",
             b"+OK\r\nIMPLEMENTATION caf\xe9\r\n.\r\n",
             b"+OK\r\nA\tB\x0bC\r\n.\r\n", b"no\r\n"):
    is_whole = text.endswith(b".\r\n") or text[:1] != b"+"
    add("CAPA answered %r" % text[:40], [text if is_whole else (text, CLOSE)],
        ("capa",))
add("CAPA twice", [b"+OK\r\nA\r\n.\r\n", b"+OK\r\nB\r\n.\r\n"], ("capa",),
    ("capa",))

# Leaving.
add("QUIT", [b"+OK bye\r\n"], ("quit",), lambda c: (c.sock, c.file), ("noop",),
    ("close",))
add("QUIT refused", [b"-ERR not yet\r\n", b"+OK\r\n", b"+OK bye\r\n"],
    ("quit",), lambda c: (c.sock is None, c.file is None), ("noop",),
    ("quit",))
add("QUIT without an answer", [CLOSE], ("quit",), lambda c: c.sock is None,
    ("noop",))
add("QUIT answered and closed", [(b"+OK bye\r\n", CLOSE)], ("quit",))
add("closing twice", [], ("close",), ("close",), ("retr", 1), ("quit",),
    ("capa",), ("_getresp",), ("_getline",))

# What programs reach for.
add("_shortcmd and _longcmd", [b"+ challenge\r\n", b"+OK\r\n1\r\n..\r\n.\r\n",
                               b"x\r\n"],
    ("_shortcmd", "AUTH XOAUTH2"), ("_longcmd", "XTND list"),
    ("_shortcmd", "WHAT"))
add("_putcmd, then _getresp", [b"+OK 1\r\n", b"+OK 2\r\nl\r\n.\r\n"],
    ("_putcmd", "NOOP"), ("_getresp",), ("_putcmd", "LIST"), ("_getlongresp",))
add("_putline, then _getline", [b"+OK\r\n..a\n\rb\n.\r\n"],
    ("_putline", b"RETR 1"), ("_getline",), ("_getline",), ("_getline",),
    ("_getline",))
add("_getline at the end", [(b"+OK\r\npart", CLOSE)], ("_putline", b"RETR 1"),
    ("_getline",), ("_getline",), ("_getline",), ("_getline",))
add("a short command with a long answer", [b"+OK\r\na\r\n.\r\n", b"+OK\r\n"],
    ("_shortcmd", "RETR 1"), ("noop",), ("_getline",), ("_getline",))
add("the socket's timeout", [SILENCE],
    lambda c: (c.sock.gettimeout(), c.sock.settimeout(A_MOMENT),
               c.sock.gettimeout()), ("noop",), ("noop",))
add("two connections' worth of attributes", [],
    lambda c: sorted(name for name in vars(c) if name[0] != "_"),
    lambda c: (c.host, c._tls_established, c._debugging, c.encoding,
               c.timestamp.pattern, type(c.sock).__name__,
               type(c.file).__name__))
add("a timeout of 0", [], timeout=0)
add("a timeout of False", [], timeout=False)
add("a negative timeout", [], timeout=-1)
add("no timeout", [b"+OK\r\n"], lambda c: c.sock.gettimeout(), ("noop",),
    timeout=None)
add("a host that is none", [], host="no-such-host.invalid")


def patched(value):
    def patch(client):
        sys.modules[type(client).__module__]._MAXLINE = value
    return patch


add("_MAXLINE raised", [b"+OK\r\n" + b"q" * 9000 + b"\r\n.\r\n",
                        b"+" + b"r" * 9000 + b"\r\n", b"+\r\n"],
    patched(20480), ("retr", 1), ("noop",), patched(2048), ("noop",))

# Debug output.
for level in 1, 2, 3:
    add("debug output of level %d" % level,
        [b"+OK\r\n", b"+OK 1 2\r\n", b"+OK\r\n..a\r\nb\r\n.\r\n",
         b"-ERR x\r\n", b"+OK\r\nA\r\n.\r\n", b"+OK\r\n"],
        ("set_debuglevel", level), ("user", "me"), ("stat",), ("retr", 1),
        ("dele", 9), ("capa",), ("quit",))
add("debug output of level 2, LF alone",
    [b"+OK\na\n\n.\n"], ("set_debuglevel", 2), ("retr", 1))
add("debug output at the end", [(b"+OK\r\na\r\n", CLOSE)],
    ("set_debuglevel", 2), ("retr", 1))
add("debug output of a password", [b"+OK\r\n"], ("set_debuglevel", 2),
    ("pass_", "secret"))
add("debug output of APOP", [b"+OK\r\n"], ("set_debuglevel", 1),
    ("apop", "me", "secret"), greeting=b"+OK <a@b>\r\n")
add("debug output of AUTH", [b"+ \r\n", b"+OK\r\n", b"+OK\r\n"],
    ("set_debuglevel", 1), ("_shortcmd", "AUTH PLAIN"),
    ("_shortcmd", "AHNlY3JldA=="), ("noop",))
add("debug output of a line that begins with CR", [b"\r+OK\n"],
    ("set_debuglevel", 2), ("noop",))

# Control characters, which newer versions of poplib refuse as well.
for text in "a\r\nDELE 1", "a\rb", "a\nb", "a\0b", "a\tb", "a\x7fb":
    add("control characters: %r" % text, [b"+OK\r\n", b"+OK\r\n"],
        ("user", text))

# TLS.
STLS_CAPA = b"+OK\r\nSTLS\r\n.\r\n"
BEGIN = (b"+OK begin\r\n", STARTTLS)


def trusting(name="ca.pem"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(os.path.join(CERTS, name))
    return context


def state(client):
    return (client._tls_established, isinstance(client.sock, ssl.SSLSocket))


def add_tls():
    add("STLS",
        [STLS_CAPA, BEGIN, b"+OK\r\n", b"+OK\r\nm\r\n.\r\n", b"+OK\r\n"],
        ("stls",), state, ("noop",), ("retr", 1), ("stls",), ("quit",))
    add("STLS with a context", [STLS_CAPA, BEGIN, b"+OK\r\n"],
        lambda c: c.stls(context=trusting()), state, ("noop",))
    add("STLS, another name", [STLS_CAPA, BEGIN],
        lambda c: setattr(c, "host", "other.example"),
        lambda c: c.stls(context=trusting()))
    add("STLS, nobody trusts it", [STLS_CAPA, BEGIN],
        lambda c: c.stls(ssl.create_default_context()))
    add("STLS not offered", [b"+OK\r\nstls\r\n.\r\n", b"+OK\r\n"], ("stls",),
        ("noop",))
    add("STLS without CAPA", [b"-ERR\r\n", b"+OK\r\n"], ("stls",), ("noop",))
    add("STLS refused", [STLS_CAPA, b"-ERR no\r\n", b"+OK\r\n"], ("stls",),
        state, ("noop",))
    add("STLS, then no TLS", [STLS_CAPA, b"+OK\r\nthis is not TLS\r\n"],
        ("stls",), timeout=1)
    add("SSL", [b"+OK\r\n", b"+OK\r\na\r\n..\r\n.\r\n", b"+OK\r\n"], ("noop",),
        ("retr", 1), state, ("stls",), ("quit",), tls=True)
    add("SSL with a context", [b"+OK\r\n"], ("noop",), tls=True,
        options=lambda: {"context": trusting()})
    add("SSL, nobody trusts it", [], tls=True,
        options=lambda: {"context": ssl.create_default_context()})
    add("SSL, closed without a word", [CLOSE], ("noop",), ("noop",), tls=True)
    add("SSL, a timeout", [SILENCE], ("noop",), ("noop",), tls=True,
        timeout=A_MOMENT)
    add("SSL, a large message", [b"+OK\r\n" + b"large\r\n" * 20000 + b".\r\n"],
        ("retr", 1), tls=True)
    add("SSL, a line too long", [b"+OK" + b"x" * 3000 + b"\r\n", b"+OK\r\n"],
        ("noop",), ("noop",), ("noop",), tls=True)
    add("SSL to who speaks none", [], options=lambda: {}, tls=False,
        greeting=b"+OK clear\r\n")
    add("STLS with bytes behind its reply",
        [STLS_CAPA, (b"+OK begin\r\n+OK injected\r\n", STARTTLS),
         b"+OK true\r\n"],
        ("stls",), ("noop",))


if CERTS:
    add_tls()

# What differs, and why; a name, or what names begin with.
DIFFERENT = {
    "control characters":
        "refused with ValueError and not sent, as by newer versions of poplib",
    "debug output of a password": "secrets are shown as stars",
    "debug output of APOP": "secrets are shown as stars",
    "debug output of AUTH": "secrets are shown as stars",
    "after a line too long in a body":
        "the rest of that body is skipped; poplib takes it for replies",
    "debug output of a line that begins with CR":
        "what is shown of a line's end is LF or CRLF",
}


class Probe(poplib.POP3):
    """Tells what the poplib at hand does, without a server."""

    def __init__(self):
        self._debugging = 0

    def _putline(self, line):
        pass

    def _getresp(self):
        return b"+OK"


# Newer versions of poplib do some things otherwise.
if outcome(lambda: Probe()._putcmd("a\tb"))[0] == "raised":
    del DIFFERENT["control characters"]
if outcome(Probe().stat)[1] == "error_proto":
    DIFFERENT["STAT answered badly"] = "IndexError or ValueError, as to 3.14"

# ---- The comparison ---------------------------------------------------------


def is_different(name):
    return next((reason for key, reason in DIFFERENT.items()
                 if name == key or name.startswith(key + ":")), None)


class Same(unittest.TestCase):
    maxDiff = None

    def test_every_behaviour(self):
        for behaviour in TABLE:
            with self.subTest(behaviour.name):
                one = played(poplib, behaviour)
                other = played(pop3, behaviour)
                if is_different(behaviour.name):
                    self.assertNotEqual(one, other, "no difference any more")
                else:
                    self.assertEqual(one, other)

    def test_names_are_unique(self):
        names = [behaviour.name for behaviour in TABLE]
        self.assertEqual(len(names), len(set(names)))

    def test_module(self):
        for name in ("POP3_PORT", "POP3_SSL_PORT", "CR", "LF", "CRLF",
                     "_MAXLINE", "HAVE_SSL"):
            self.assertEqual(getattr(pop3, name), getattr(poplib, name), name)
        for name in "errno", "re", "socket", "ssl", "sys":
            self.assertIs(getattr(pop3, name), getattr(poplib, name), name)
        self.assertEqual(sorted(pop3.__all__), sorted(poplib.__all__))
        self.assertEqual(pop3.error_proto.__bases__, (Exception,))

    def test_nothing_public_is_missing(self):
        for kind in "POP3", "POP3_SSL":
            mine, theirs = getattr(pop3, kind), getattr(poplib, kind)
            self.assertEqual(set(dir(theirs)) - set(dir(mine)), set())


class Signatures(unittest.TestCase):
    def test_methods_have_those_of_poplib(self):
        for name, method in vars(poplib.POP3).items():
            if inspect.isfunction(method) and name != "__init__":
                self.assertEqual(
                    inspect.signature(getattr(pop3.POP3, name)),
                    inspect.signature(method), name)

    def test_the_constructors_have_one_argument_more(self):
        mine = list(inspect.signature(pop3.POP3).parameters.values())
        theirs = list(inspect.signature(poplib.POP3).parameters.values())
        self.assertEqual(mine[:-1], theirs)
        self.assertEqual(mine[-1].name, "strict")

    def test_ssl_takes_the_arguments_of_every_version(self):
        bind = inspect.signature(pop3.POP3_SSL).bind
        bind("host", 995, "key", "cert", 10, None)
        bind("host", 995, timeout=10, context=None)


def main():
    program = unittest.main(exit=False, argv=sys.argv[:1], warnings="ignore")
    differ = sum(1 for behaviour in TABLE if is_different(behaviour.name))
    print("%d behaviours, %d of them different as documented:"
          % (len(TABLE), differ))
    for name, reason in DIFFERENT.items():
        print("  %s: %s" % (name, reason))
    if not CERTS:
        print("what needs TLS was left out: CERTS is not set")
    return 0 if program.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
