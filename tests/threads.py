# threads.py HOST PORT MESSAGE - threads of Python that call through ctypes
# SPDX-License-Identifier: MIT
#
# ctypes lets go of the interpreter's lock while a call waits, so the calls of
# these threads do overlap. Run by check_bindings.sh: the accounts are python1,
# python2, ..., MESSAGE is what message 1 of each is on the wire. Ends with "ok".
import ctypes
import os
import sys
import threading

HOST, PORT, FILE = sys.argv[1].encode(), int(sys.argv[2]), sys.argv[3]
PASSWORD = os.environ["POP3_PASSWORD"].encode()
THREADS, SESSIONS = 4, 5

lib = ctypes.CDLL(os.environ["LIBPOP3"])
Handle = ctypes.c_void_p
lib.pop3_new.restype = Handle
lib.pop3_error.restype = ctypes.c_char_p
lib.pop3_error.argtypes = lib.pop3_free.argtypes = [Handle]
lib.pop3_connect.argtypes = [Handle, ctypes.c_char_p, ctypes.c_int]
lib.pop3_login.argtypes = [Handle, ctypes.c_char_p, ctypes.c_char_p]
lib.pop3_retr_begin.argtypes = [Handle, ctypes.c_uint64]
lib.pop3_next_slice.argtypes = [Handle, ctypes.POINTER(ctypes.c_void_p),
                                ctypes.POINTER(ctypes.c_size_t)]
lib.pop3_quit.argtypes = [Handle]


def session(user):
    """Logs in, takes message 1 whole, says QUIT."""
    c = lib.pop3_new()

    def check(code):
        if code:
            raise RuntimeError(lib.pop3_error(c))

    try:
        check(lib.pop3_connect(c, HOST, PORT))
        check(lib.pop3_login(c, user, PASSWORD))
        check(lib.pop3_retr_begin(c, 1))
        data, length, message = ctypes.c_void_p(), ctypes.c_size_t(), b""
        check(lib.pop3_next_slice(c, data, length))
        while data:
            message += ctypes.string_at(data, length.value)
            check(lib.pop3_next_slice(c, data, length))
        check(lib.pop3_quit(c))
        return message
    finally:
        lib.pop3_free(c)


def run(number, wire, bad):
    try:
        for _ in range(SESSIONS):
            assert session(b"python%d" % number) == wire
    except Exception as e:
        bad.append(e)


with open(FILE, "rb") as file:
    wire = file.read()
bad = []
threads = [threading.Thread(target=run, args=(n + 1, wire, bad))
           for n in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if bad:
    sys.exit(repr(bad))
print("ok")
