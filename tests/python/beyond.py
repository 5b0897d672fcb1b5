"""What pop3.py has beyond poplib."""
# beyond.py - strict=True, login, sasl, pieces, many at once, and good manners
# SPDX-License-Identifier: MIT
#
# Owns what same.py cannot compare.  Against scripted servers, and, where popd
# is built, against that.  What the library at hand has not is skipped.  Given
# by beyond.sh: PYTHONPATH, LIBPOP3, CERTS and POPD.

import base64
import contextlib
import gc
import io
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock
import weakref

import pop3
from scripted import CERTS, CLOSE, SECONDS, SILENCE, STARTTLS, Server

POPD = os.environ.get("POPD", "")
HELLO = b"+OK ready\r\n"
STAMPED = b"+OK ready <1.2@host>\r\n"
NO_CAPA = b"-ERR what\r\n"
STLS_CAPA = b"+OK\r\nSTLS\r\n.\r\n"
BEGIN = (b"+OK begin\r\n", STARTTLS)

needs_certs = unittest.skipUnless(CERTS, "CERTS is not set")


def needs(function):
    return unittest.skipUnless(hasattr(pop3._lib, function),
                               "this libpop3 has no " + function)


def trusting():
    return ssl.create_default_context(cafile=os.path.join(CERTS, "ca.pem"))


class Scripted(unittest.TestCase):
    def serve(self, *script, greeting=HELLO, tls=False):
        self.server = Server(greeting, script, tls)
        self.server.start()
        self.addCleanup(self.server.dismiss)
        return self.server.port

    def connect(self, *script, kind=pop3.POP3, greeting=HELLO, **options):
        port = self.serve(*script, greeting=greeting,
                          tls=kind is pop3.POP3_SSL)
        client = kind("127.0.0.1", port, timeout=SECONDS, **options)
        self.addCleanup(client.close)
        return client

    def heard(self):
        self.server.join(SECONDS)
        return self.server.heard


@contextlib.contextmanager
def a_link_that_others_read():
    is_local, pop3._is_local = pop3._is_local, lambda sock: False
    try:
        yield
    finally:
        pop3._is_local = is_local


class Strict(Scripted):
    @needs_certs
    def test_ssl_refuses_a_certificate_that_nobody_trusts(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(kind=pop3.POP3_SSL, strict=True)

    @needs_certs
    def test_ssl_takes_one_that_is_trusted(self):
        client = self.connect(b"+OK\r\n", kind=pop3.POP3_SSL, strict=True,
                              context=trusting())
        self.assertEqual(client.noop(), b"+OK")

    @needs_certs
    def test_stls_refuses_a_certificate_that_nobody_trusts(self):
        client = self.connect(STLS_CAPA, BEGIN, strict=True)
        with self.assertRaises(ssl.SSLCertVerificationError):
            client.stls()

    @needs_certs
    def test_stls_makes_the_socket_a_true_one(self):
        client = self.connect(STLS_CAPA, BEGIN, b"+OK\r\n", strict=True)
        context = trusting()
        self.assertEqual(client.stls(context), b"+OK begin")
        self.assertIsInstance(client.sock, ssl.SSLSocket)
        self.assertIs(client.sock.context, context)
        self.assertEqual(client.noop(), b"+OK")
        with self.assertRaises(pop3.error_proto):
            client.stls()

    @needs_certs
    def test_stls_with_bytes_behind_its_reply_is_an_attack(self):
        client = self.connect(STLS_CAPA, b"+OK\r\n+OK injected\r\n",
                              strict=True)
        with self.assertRaisesRegex(pop3.error_proto, "in clear behind"):
            client.stls(trusting())

    def test_success_is_exactly_ok(self):
        client = self.connect(b"+OKAY\r\n", strict=True)
        with self.assertRaisesRegex(pop3.error_proto, "neither"):
            client.noop()
        with self.assertRaisesRegex(pop3.error_proto, "neither"):
            client.noop()

    def test_a_refusal_has_the_bytes_of_the_server(self):
        client = self.connect(b"-ERR [IN-USE] no\r\n", b"+OK\r\n", strict=True)
        with self.assertRaises(pop3.error_proto) as caught:
            client.noop()
        self.assertEqual(caught.exception.args, (b"-ERR [IN-USE] no",))
        self.assertEqual(client.noop(), b"+OK")

    def test_a_greeting_of_err_is_a_refusal(self):
        with self.assertRaises(pop3.error_proto) as caught:
            self.connect(greeting=b"-ERR busy\r\n", strict=True)
        self.assertEqual(caught.exception.args, (b"-ERR busy",))

    def test_a_message_may_have_long_lines_and_bare_line_feeds(self):
        body = b"a\n.\nb\r\n" + b"x" * 5000 + b"\r\n..c\r\n.\r\n"
        client = self.connect(b"+OK\r\n" + body, strict=True)
        self.assertEqual(client.retr(1), (b"+OK", [b"a\n.\nb", b"x" * 5000,
                                                   b".c"], 5013))

    def test_a_timestamp_is_a_message_id(self):
        client = self.connect(greeting=b"+OK <nothing>\r\n", strict=True)
        with self.assertRaisesRegex(pop3.error_proto, "timestamp"):
            client.apop("me", "secret")

    def test_apop_logs_in(self):
        client = self.connect(b"+OK in\r\n", greeting=STAMPED, strict=True)
        self.assertEqual(client.apop("me", "secret"), b"+OK in")

    def test_a_password_does_not_cross_a_link_that_others_read(self):
        client = self.connect(b"+OK\r\n", b"+OK\r\n", strict=True)
        client.user("me")
        with a_link_that_others_read():
            with self.assertRaisesRegex(pop3.error_proto, "not encrypted"):
                client.pass_("secret")
        self.assertEqual(client.pass_("secret"), b"+OK")
        client.close()
        self.assertEqual(self.heard(), b"USER me\r\nPASS secret\r\n")

    def test_quit_closes_whatever_comes(self):
        client = self.connect(b"-ERR not yet\r\n", strict=True)
        with self.assertRaises(pop3.error_proto):
            client.quit()
        self.assertIsNone(client.sock)


class Login(Scripted):
    def test_the_best_way_is_taken(self):
        client = self.connect(NO_CAPA, b"+OK in\r\n", greeting=STAMPED)
        self.assertEqual(client.login("me", "secret"), "APOP")

    def test_a_method_can_be_asked_for(self):
        client = self.connect(NO_CAPA, b"+OK\r\n", b"+OK in\r\n",
                              greeting=STAMPED)
        self.assertEqual(client.login("me", "secret", method="USER"), "USER")
        client.close()
        self.assertEqual(self.heard(), b"CAPA\r\nUSER me\r\nPASS secret\r\n")

    def test_a_method_that_is_none(self):
        with self.assertRaises(pop3.error_proto):
            self.connect().login("me", "secret", method="PRAYER")

    def test_a_password_does_not_cross_a_link_that_others_read(self):
        client = self.connect(NO_CAPA, NO_CAPA, b"+OK\r\n", b"+OK\r\n")
        with a_link_that_others_read():
            with self.assertRaises(pop3.error_proto):
                client.login("me", "secret")
            self.assertEqual(
                client.login("me", "secret", allow_insecure=True), "USER")

    def test_control_characters_are_refused(self):
        client = self.connect()
        for user, password in ("a\r\nb", "x"), ("a", "x\0y"), (b"a\tb", b"x"):
            with self.assertRaises(ValueError):
                client.login(user, password)
        client.close()
        self.assertEqual(self.heard(), b"")

    def test_a_refusal_has_the_bytes_of_the_server(self):
        client = self.connect(NO_CAPA, b"+OK\r\n", b"-ERR [AUTH] no\r\n")
        with self.assertRaises(pop3.error_proto) as caught:
            client.login("me", "secret")
        self.assertEqual(caught.exception.args, (b"-ERR [AUTH] no",))

    @needs_certs
    def test_stls_comes_first_and_verifies(self):
        client = self.connect(STLS_CAPA, BEGIN)
        with self.assertRaises(ssl.SSLCertVerificationError):
            client.login("me", "secret")
        client.close()
        self.assertEqual(self.heard().partition(b"\x16\x03")[0],
                         b"CAPA\r\nSTLS\r\n")

    @needs_certs
    def test_stls_with_a_context(self):
        client = self.connect(STLS_CAPA, BEGIN, NO_CAPA, b"+OK\r\n",
                              b"+OK\r\n", b"+OK\r\n", greeting=STAMPED)
        self.assertEqual(client.login("me", "x", context=trusting()), "USER")
        self.assertIsInstance(client.sock, ssl.SSLSocket)
        self.assertTrue(client._tls_established)
        self.assertEqual(client.noop(), b"+OK")

    def test_stls_can_be_required(self):
        client = self.connect(NO_CAPA, b"+OK\r\n")
        with self.assertRaises(pop3.error_proto):
            client.login("me", "secret", stls=True)

    def test_debug_output_shows_no_secret(self):
        client = self.connect(NO_CAPA, b"+OK\r\n", b"+OK in\r\n")
        client.set_debuglevel(2)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            client.login("me", "secret")
        self.assertIn("*cmd* 'USER me'", out.getvalue())
        self.assertIn("*cmd* 'PASS ****'", out.getvalue())
        self.assertIn("*get* b'+OK in\\r\\n'", out.getvalue())
        self.assertNotIn("secret", out.getvalue())


class Sasl(Scripted):
    PLAIN = base64.b64encode(b"\0me\0secret")

    def test_plain(self):
        client = self.connect(NO_CAPA, b"+ \r\n", b"+OK in\r\n")
        self.assertEqual(client.sasl("plain", "me", "secret"), b"+OK in")
        client.close()
        self.assertIn(self.PLAIN, self.heard())

    def test_a_mechanism_of_the_callers(self):
        asked = []

        def respond(challenge):
            asked.append(challenge)
            return {None: b"hello", b"and?": b"world"}[challenge]

        client = self.connect(NO_CAPA, b"+ \r\n",
                              b"+ " + base64.b64encode(b"and?") + b"\r\n",
                              b"+OK in\r\n")
        self.assertEqual(client.sasl("OWN", callback=respond), b"+OK in")
        self.assertEqual(asked[-1], b"and?")
        client.close()
        self.assertEqual(self.heard(), b"CAPA\r\nAUTH OWN\r\n" + b"".join(
            base64.b64encode(word) + b"\r\n" for word in (b"hello", b"world")))

    def test_none_cancels(self):
        client = self.connect(NO_CAPA, b"+ \r\n", b"-ERR cancelled\r\n",
                              b"+OK\r\n")
        with self.assertRaisesRegex(pop3.error_proto, "callback"):
            client.sasl("OWN", callback=lambda challenge: None,
                        client_first=False)
        self.assertEqual(client.noop(), b"+OK")

    def test_an_exception_in_a_callback_comes_out(self):
        def respond(challenge):
            raise ZeroDivisionError("in the callback")

        client = self.connect(NO_CAPA, b"+ \r\n", b"-ERR cancelled\r\n",
                              b"+OK\r\n")
        with self.assertRaisesRegex(ZeroDivisionError, "in the callback"):
            client.sasl("OWN", callback=respond, client_first=False)
        self.assertEqual(client.noop(), b"+OK")

    def test_a_response_that_is_none(self):
        client = self.connect(NO_CAPA, b"+ \r\n", b"-ERR cancelled\r\n")
        with self.assertRaises(TypeError):
            client.sasl("OWN", callback=lambda challenge: "text",
                        client_first=False)

    def test_what_reveals_waits_for_a_private_link(self):
        client = self.connect()
        with a_link_that_others_read():
            with self.assertRaises(pop3.error_proto):
                client.sasl("PLAIN", "me", "secret")
            with self.assertRaises(pop3.error_proto):
                client.sasl("OWN", callback=lambda challenge: b"secret")


class With(Scripted):
    def test_the_end_is_quit(self):
        with self.connect(b"+OK\r\n", b"+OK bye\r\n") as client:
            client.dele(1)
        self.assertIsNone(client.sock)
        self.assertEqual(self.heard(), b"DELE 1\r\nQUIT\r\n")

    def test_an_exception_deletes_nothing(self):
        with self.assertRaises(ZeroDivisionError):
            with self.connect(b"+OK\r\n") as client:
                client.dele(1)
                raise ZeroDivisionError
        self.assertIsNone(client.sock)
        self.assertEqual(self.heard(), b"DELE 1\r\n")

    def test_closed_before_the_end(self):
        with self.connect() as client:
            client.close()

    def test_quit_that_is_refused_closes(self):
        with self.assertRaises(pop3.error_proto):
            with self.connect(b"-ERR not yet\r\n") as client:
                pass
        self.assertIsNone(client.sock)


class Pieces(Scripted):
    TEXT = b"".join(b"line %d\r\n" % n for n in range(30000))

    def test_they_are_the_message(self):
        client = self.connect(b"+OK\r\n..x\r\n" + self.TEXT + b".\r\n",
                              b"+OK\r\n")
        self.assertEqual(b"".join(client.iter_retr(1)), b".x\r\n" + self.TEXT)
        self.assertEqual(client.noop(), b"+OK")

    def test_long_lines_have_no_limit(self):
        client = self.connect(b"+OK\r\n" + b"x" * 9000 + b"\r\n.\r\n")
        self.assertEqual(sum(map(len, client.iter_retr(1))), 9002)

    def test_another_command_skips_the_rest(self):
        client = self.connect(b"+OK\r\n" + self.TEXT + b".\r\n",
                              b"+OK next\r\n")
        pieces = client.iter_retr(1)
        next(pieces)
        self.assertEqual(client.noop(), b"+OK next")
        with self.assertRaises(pop3.error_proto):
            next(pieces)

    def test_a_refusal_is_told_at_once(self):
        client = self.connect(b"-ERR none\r\n", b"+OK\r\n")
        with self.assertRaises(pop3.error_proto):
            client.iter_retr(9)
        self.assertEqual(client.noop(), b"+OK")

    def test_the_end_of_the_link_is_an_error(self):
        client = self.connect((b"+OK\r\nhalf", CLOSE))
        with self.assertRaisesRegex(pop3.error_proto, "EOF"):
            list(client.iter_retr(1))

    def test_control_characters_are_refused(self):
        with self.assertRaises(ValueError):
            self.connect().iter_retr("1\r\nDELE 1")


class Manners(Scripted):
    def test_a_connection_that_nobody_holds_is_freed_at_once(self):
        client = pop3.POP3("127.0.0.1", self.serve(b"+OK\r\n", b"-ERR\r\n",
                                                   b"+OK\r\na\r\n.\r\n"))
        client.noop()
        with self.assertRaises(pop3.error_proto):
            client.noop()
        client.retr(1)
        handle = weakref.ref(client._handle)
        gc.disable()
        self.addCleanup(gc.enable)
        with self.assertWarns(ResourceWarning):
            del client
        self.assertIsNone(handle())

    def test_a_socket_of_the_callers(self):
        port = self.serve(b"+OK\r\n")
        made = []

        class Proxied(pop3.POP3):
            def _create_socket(self, timeout):
                made.append(socket.create_connection(("127.0.0.1", port)))
                return made[0]

        client = Proxied("far.example")
        self.addCleanup(client.close)
        self.assertIs(client.sock, made[0])
        self.assertEqual(client.noop(), b"+OK")

    def test_a_subclass_that_does_without_init(self):
        port = self.serve(b"+OK\r\n", b"+OK\r\na\r\n.\r\n")

        class Own(pop3.POP3):
            def __init__(self):
                self.sock = socket.create_connection(("127.0.0.1", port))
                self.file = self.sock.makefile("rb")
                self.welcome = self._getresp()

        client = Own()
        self.addCleanup(client.close)
        self.assertEqual(client.noop(), b"+OK")
        self.assertEqual(client.retr(1), (b"+OK", [b"a"], 3))

    def test_a_file_that_is_read_by_hand(self):
        client = self.connect(b"+OK by hand\r\n", b"+OK\r\n")
        client.sock.sendall(b"NOOP\r\n")
        self.assertEqual(client.file.readline(), b"+OK by hand\r\n")
        self.assertEqual(client.noop(), b"+OK")

    def test_a_socket_that_is_none(self):
        class Fake:
            said = b""

            def makefile(self, mode):
                return io.BytesIO(b"+OK hi\r\n+OK\r\na\r\n.\r\n+OK bye\r\n")

            def sendall(self, data):
                self.said += data

            def shutdown(self, how):
                pass

            def close(self):
                pass

        class Faked(pop3.POP3):
            def _create_socket(self, timeout):
                return Fake()

        client = Faked("nowhere")
        fake = client.sock
        self.assertEqual(client.retr(1), (b"+OK", [b"a"], 3))
        self.assertEqual(client.quit(), b"+OK bye")
        self.assertEqual(fake.said, b"RETR 1\r\nQUIT\r\n")

    def by_hand(self, *lines):
        """A connection of a program's own tests: a file that only has
        readline, which heeds no size."""
        lines = list(lines)

        class File:
            def readline(self, size=-1):
                return lines.pop(0)

            def close(self):
                pass

        link = unittest.mock.MagicMock()
        link.makefile.return_value = File()
        with unittest.mock.patch.object(pop3.socket, "create_connection",
                                        return_value=link):
            return pop3.POP3("nowhere")

    def test_a_socket_that_is_a_mock(self):
        link = unittest.mock.MagicMock()
        link.makefile.return_value.readline.side_effect = [
            HELLO, b"+OK 2 320\r\n"]
        with unittest.mock.patch.object(pop3.socket, "create_connection",
                                        return_value=link):
            self.assertEqual(pop3.POP3("nowhere").stat(), (2, 320))

    def test_a_readline_may_return_too_much(self):
        size = 3000000
        client = self.by_hand(HELLO, b"+OK\r\n" + b"x\r\n" * size + b".\r\n")
        self.assertEqual(len(client.retr(1)[1]), size)

    def test_a_readline_returns_bytes(self):
        client = self.by_hand(bytearray(HELLO), memoryview(b"+OK 2 320\r\n"))
        self.assertEqual(client.stat(), (2, 320))
        for wrong in "+OK ready\r\n", None, 5:
            with self.assertRaises(TypeError):
                self.by_hand(wrong)

    def test_a_file_that_wraps_the_true_one_sees_every_line(self):
        class Wrapper:
            def __init__(self, file):
                self.inner, self.lines = file, []

            def readline(self, *size):
                self.lines.append(self.inner.readline(*size))
                return self.lines[-1]

            def __getattr__(self, name):
                return getattr(self.inner, name)

        answers = b"+OK\r\n", b"+OK\r\na\r\n.\r\n", b"+OK\r\nb\r\n.\r\n"
        client = self.connect(*answers)
        client.file = Wrapper(client.file)
        client.noop()
        self.assertEqual(client.retr(1), (b"+OK", [b"a"], 3))
        if hasattr(pop3._lib, "pop3_next_reply"):
            self.assertEqual(list(client.retr_many([2])),
                             [(2, (b"+OK", [b"b"], 3))])
        else:
            client.retr(2)
        self.assertEqual(b"".join(client.file.lines), b"".join(answers))

    def test_a_getresp_in_place_of_it_is_asked(self):
        answer = b"+OK\r\na\r\n.\r\n"
        client = self.connect(answer, answer, b"+OK\r\n")
        asked, own = [], client._getresp

        def getresp():
            asked.append(own())
            return b"+OK mine"

        client._getresp = getresp
        self.assertEqual(client.retr(1), (b"+OK mine", [b"a"], 3))
        with unittest.mock.patch.object(pop3.POP3, "_getresp",
                                        lambda client: own()):
            del client._getresp
            client._getline = unittest.mock.Mock(side_effect=client._getline)
            self.assertEqual(client.retr(1), (b"+OK", [b"a"], 3))
        self.assertEqual(client.noop(), b"+OK")
        self.assertEqual(asked, [b"+OK"])
        self.assertEqual(client._getline.call_count, 4)

    def test_debugging_that_begins_within_auth_shows_no_secret(self):
        client = self.connect(b"+ \r\n", b"+OK\r\n", b"+OK\r\n")
        client._shortcmd("AUTH PLAIN")
        client.set_debuglevel(1)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            client._shortcmd("AHNlY3JldA==")
            client.noop()
        self.assertEqual(out.getvalue(), "*cmd* '****'\n*cmd* 'NOOP'\n")

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_closing_in_a_child_leaves_the_session_to_the_parent(self):
        client = self.connect(b"+OK 1\r\n", b"+OK 2\r\n")
        client.noop()
        child = os.fork()
        if not child:
            try:
                client.close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        self.assertEqual(client.noop(), b"+OK 2")
        client.close()
        self.assertEqual(self.heard(), b"NOOP\r\nNOOP\r\n")

    def test_numbers_that_c_would_cut_are_refused(self):
        client = self.connect()
        for number in -1, 1.5, (1 << 64) + 1, "-1", "1 2", "", None, True:
            with self.assertRaisesRegex(ValueError, "64 bits"):
                client.retr_many([number])
        client.close()
        self.assertEqual(self.heard(), b"")

    def test_a_login_needs_both(self):
        client = self.connect()
        for user, password in (None, "x"), ("me", None):
            with self.assertRaises(TypeError):
                client.login(user, password)

    def test_reloading_keeps_what_nobody_catches(self):
        done = subprocess.run([sys.executable, "-c", """
import importlib, pop3
importlib.reload(pop3)
class Broken:
    def __del__(self):
        raise ValueError("in the end")
Broken()
"""], timeout=60, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr.count("ValueError: in the end"), 1)
        self.assertNotIn("Recursion", done.stderr)

    def test_a_getline_of_a_subclass_sees_every_line(self):
        lines = []

        class Curious(pop3.POP3):
            def _getline(self):
                lines.append(super()._getline())
                return lines[-1]

        client = Curious("127.0.0.1", self.serve(b"+OK\r\na\r\n..b\r\n.\r\n"))
        self.addCleanup(client.close)
        self.assertEqual(client.retr(1), (b"+OK", [b"a", b".b"], 7))
        self.assertEqual([line for line, _octets in lines],
                         [b"+OK ready", b"+OK", b"a", b"..b", b"."])

    def test_a_file_that_is_another_one_drops_what_the_old_one_held(self):
        client = self.connect(b"+OK\r\n+OK old\r\n", b"+OK new\r\n")
        client.noop()
        client.file = client.sock.makefile("rb")
        self.assertEqual(client.noop(), b"+OK new")

    @unittest.skipUnless(hasattr(signal, "setitimer"), "no timers here")
    def test_an_exception_of_a_signal_ends_a_wait(self):
        class Rang(BaseException):
            pass

        def ring(_number, _frame):
            raise Rang

        client = self.connect(SILENCE)
        before = signal.signal(signal.SIGALRM, ring)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        begun = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with self.assertRaises(Rang):
            client.noop()
        self.assertLess(time.monotonic() - begun, SECONDS / 2)

    @unittest.skipUnless(hasattr(signal, "setitimer"), "no timers here")
    def test_no_exception_of_a_signal_is_lost(self):
        """Wherever it comes: within callbacks, around them, or between."""
        class Rang(BaseException):
            pass

        class Endless(io.BytesIO):
            def read1(self, size=-1):
                return b"+OK\r\nline\r\n.\r\n"

        class Own(pop3.POP3):
            def __init__(self):
                self.sock, self.file = Sink(), Endless()

        class Sink:
            def sendall(self, data):
                pass

        def retr_until(client, end):
            while time.monotonic() < end:
                client.retr(1)

        rung = []

        def ring(_number, _frame):
            rung.append(1)
            raise Rang

        before = signal.signal(signal.SIGALRM, ring)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        came = 0
        until = time.monotonic() + 1
        while time.monotonic() < until:
            client = Own()
            client.retr(1)
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-5 + came % 97 * 1e-6)
                retr_until(client, until + 1)
            except Rang:
                came += 1
        self.assertEqual(came, len(rung))
        self.assertGreater(came, 100)

    def test_an_exception_of_output_comes_out(self):
        class Broken:
            def write(self, text):
                raise OSError("no paper")

        client = self.connect(NO_CAPA, b"+OK\r\n", b"+OK\r\n")
        client.set_debuglevel(2)
        with contextlib.redirect_stdout(Broken()):
            with self.assertRaisesRegex(OSError, "no paper"):
                client.login("me", "secret")

    def test_keyfile_and_certfile_exclude_a_context(self):
        for name in "keyfile", "certfile":
            with self.assertRaisesRegex(ValueError, name):
                pop3.POP3_SSL("127.0.0.1", 1, context=ssl.SSLContext(
                    ssl.PROTOCOL_TLS_CLIENT), **{name: "x"})

    def test_what_a_library_lacks_is_said(self):
        with self.assertRaisesRegex(NotImplementedError, "pop3_no_such"):
            pop3._newer("pop3_no_such")

    def test_a_library_that_is_not_there_is_an_import_error(self):
        environment = dict(os.environ, LIBPOP3="/no/such/library.so")
        done = subprocess.run([sys.executable, "-c", "import pop3"],
                              env=environment, timeout=60,
                              stderr=subprocess.PIPE, text=True)
        self.assertIn("ImportError: libpop3 is not found", done.stderr)

    @unittest.skipUnless(sys.platform == "linux", "which has it by that name")
    def test_another_library_is_an_import_error(self):
        environment = dict(os.environ, LIBPOP3="libc.so.6")
        done = subprocess.run([sys.executable, "-c", "import pop3"],
                              env=environment, timeout=60,
                              stderr=subprocess.PIPE, text=True)
        self.assertRegex(done.stderr, "ImportError: .* is no libpop3|not found")


@unittest.skipUnless(os.access(POPD, os.X_OK), "popd is not built")
class TrueServer(unittest.TestCase):
    COUNT, SIZE = 40, 3000
    USERS = 40  # a maildrop is for one connection at a time
    users = iter(range(USERS))

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        ports = os.path.join(cls.folder.name, "ports")
        cls.popd = subprocess.Popen([
            POPD, "--lifetime", "120", "--port-file", ports,
            "--synthetic", "%d:%d" % (cls.COUNT, cls.SIZE)] + [
                word for n in range(cls.USERS)
                for word in ("--user", "me%d:secret:" % n)])
        for _try in range(100):
            if os.path.exists(ports) and os.path.getsize(ports):
                break
            time.sleep(0.1)
        with open(ports) as file:
            cls.port = int(file.read().split()[1])

    @classmethod
    def tearDownClass(cls):
        cls.popd.terminate()
        cls.popd.wait(SECONDS)
        cls.folder.cleanup()

    def connect(self, **options):
        client = pop3.POP3("127.0.0.1", self.port, SECONDS, **options)
        self.addCleanup(client.close)
        client.login("me%d" % next(self.users), "secret", stls=False)
        return client

    def maildir(self):
        folder = tempfile.mkdtemp(dir=self.folder.name)
        return os.path.join(folder, "Maildir")

    def test_every_rule_gives_the_same_message(self):
        lax, strict = self.connect().retr(3), self.connect(strict=True).retr(3)
        self.assertEqual(lax, strict)
        pieces = b"".join(self.connect().iter_retr(3))
        self.assertEqual(pieces, b"\r\n".join(lax[1]) + b"\r\n")

    @needs("pop3_next_reply")
    def test_many_messages_are_those_of_retr(self):
        client = self.connect()
        numbers = [3, 1, self.COUNT]
        self.assertEqual(list(client.retr_many(numbers)),
                         [(n, client.retr(n)) for n in numbers])
        self.assertEqual(list(client.retr_many([])), [])
        self.assertEqual(client.sock.gettimeout(), SECONDS)

    @needs("pop3_next_reply")
    def test_one_that_is_refused_holds_back_no_other(self):
        found = dict(self.connect().retr_many([1, 999, 2]))
        self.assertIsInstance(found[999], pop3.error_proto)
        self.assertEqual(found[2][2], self.SIZE)

    @needs("pop3_next_reply")
    def test_another_command_skips_the_rest(self):
        client = self.connect()
        many = client.retr_many(range(1, self.COUNT + 1))
        self.assertEqual(next(many)[0], 1)
        self.assertEqual(client.stat(), (self.COUNT, self.COUNT * self.SIZE))
        with self.assertRaises(pop3.error_proto):
            next(many)

    @needs("pop3_download")
    def test_a_download_fetches_each_message_once(self):
        maildir, told = self.maildir(), []
        result = self.connect().download(
            maildir, user="me", on_outcome=lambda *what: told.append(what))
        self.assertEqual(result.messages, self.COUNT)
        self.assertEqual(told[0], (pop3.Message(1, self.SIZE, b"synthetic.1"),
                                   "stored"))
        again = self.connect().download(maildir, user="me")
        self.assertEqual((again.messages, again.known), (0, self.COUNT))
        self.assertEqual(len(os.listdir(os.path.join(maildir, "new"))),
                         self.COUNT)

    @needs("pop3_download")
    def test_a_download_of_some_deletes_and_quits(self):
        client = self.connect()
        result = client.download(
            self.maildir(), newest=5, delete=True, quit=True,
            select=lambda message: message.number % 2 == 0)
        self.assertEqual(result.messages, result.deleted)
        self.assertGreater(result.messages, 0)
        self.assertTrue(result.quit)
        self.assertIsNone(client.sock)

    @needs("pop3_download")
    def test_an_exception_in_any_callback_of_a_download_comes_out(self):
        def broken(*_args):
            raise ZeroDivisionError("in the callback")

        client = self.connect()
        for name in "select", "on_outcome", "on_progress":
            with self.assertRaises(ZeroDivisionError) as caught:
                client.download(self.maildir(), **{name: broken})
            self.assertIsInstance(caught.exception.downloaded, pop3.Downloaded)
            self.assertEqual(client.noop(), b"+OK")

    @needs("pop3_download")
    def test_numbers_that_c_would_cut_are_refused(self):
        client = self.connect()
        for wrong in ({"numbers": [(1 << 64) + 1]}, {"numbers": [-1]},
                      {"numbers": ["1.5"]}, {"newest": -1},
                      {"max_octets": 1 << 64}):
            with self.assertRaisesRegex(ValueError, "64 bits"):
                client.download(self.maildir(), delete=True, **wrong)
        result = client.download(self.maildir(), numbers=[1, "2"])
        self.assertEqual(result.messages, 2)

    @needs("pop3_download")
    def test_progress_can_stop_a_download(self):
        result = self.connect().download(
            self.maildir(), on_progress=lambda *at: at[0] >= 1)
        self.assertGreaterEqual(result.messages, 1)

    @needs("pop3_download")
    def test_a_maildir_that_cannot_be_is_an_os_error(self):
        client = self.connect()
        with self.assertRaises(OSError):
            client.download(os.path.join(self.folder.name, "ports", "no"))
        self.assertEqual(client.noop(), b"+OK")

    def test_a_thread_for_each_connection(self):
        found = []

        def drain():
            client = pop3.POP3("127.0.0.1", self.port, SECONDS)
            client.user("me%d" % next(self.users))
            client.pass_("secret")
            found.append(sum(client.retr(n)[2]
                             for n in range(1, self.COUNT + 1)))
            client.quit()

        threads = [threading.Thread(target=drain) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(found, [self.COUNT * self.SIZE] * 8)


if __name__ == "__main__":
    unittest.main()
