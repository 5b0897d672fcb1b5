"""A server that plays a script to one client."""
# scripted.py - the far end of the tests of pop3.py
# SPDX-License-Identifier: MIT
#
# Owns a server on loopback that says what it is told to, right or wrong, and
# keeps what it heard.  Everything in it ends: each wait has a timeout, what is
# read has a limit.  Given: CERTS, a folder as tests/make_certs.sh makes it,
# for what is under TLS.

import contextlib
import os
import socket
import ssl
import struct
import threading

SECONDS = 10        # for anything that should not wait at all
CERTS = os.environ.get("CERTS", "")
CLOSE, RESET, SILENCE, STARTTLS = "close", "reset", "silence", "starttls"


class Server(threading.Thread):
    """Plays a script to one client.

    Each step answers a line of the client: with bytes, with one of the words
    above, or with both as a pair.  After the last one it reads until the
    client goes.
    """

    def __init__(self, greeting, script, tls):
        super().__init__(daemon=True)
        self.script = [greeting] + list(script)
        self.tls = tls
        self.heard = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(SECONDS)
        self.port = self.listener.getsockname()[1]

    def run(self):
        with self.listener:
            try:
                self.sock = self.listener.accept()[0]
            except OSError:
                return
        self.sock.settimeout(SECONDS)
        with contextlib.suppress(OSError):
            if self.tls:
                self.secure()
            self.play()
        self.sock.close()

    def dismiss(self):
        """Ends a server that nobody came to, too."""
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), SECONDS).close()
        self.join(SECONDS)

    def secure(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(CERTS, "server.pem"),
                                os.path.join(CERTS, "server.key"))
        self.sock = context.wrap_socket(self.sock, server_side=True)

    def play(self):
        file = self.sock.makefile("rb")
        for number, step in enumerate(self.script):
            if number:
                self.heard += file.readline(70000)
            says, then = step if isinstance(step, tuple) else (b"", step)
            if isinstance(step, bytes):
                says = step
            self.sock.sendall(says)
            if then is CLOSE:
                break
            if then is RESET:
                return self.reset(file)
            if then is STARTTLS:
                file.close()
                self.secure()
                file = self.sock.makefile("rb")
        self.hear_out(file, then is CLOSE)

    def reset(self, file):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        file.close()

    def hear_out(self, file, is_over):
        """Reads until the client goes: were the socket closed at once, what
        the client says next would be answered with a reset, or not yet."""
        clear = not isinstance(self.sock, ssl.SSLSocket)
        if is_over:
            self.sock.shutdown(socket.SHUT_WR)
        rest = file.read(1000000)
        if clear or not is_over:
            self.heard += rest
        file.close()
