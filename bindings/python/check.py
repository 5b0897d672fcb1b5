"""Tells what is in a maildrop: check.py HOST PORT USER, $POP3_PASSWORD."""
# SPDX-License-Identifier: MIT
import os
import sys

import pop3


def check(host, port, user, out):
    with pop3.POP3(host, port) as server:
        server.login(user, os.environ["POP3_PASSWORD"], stls=False)
        messages, octets = server.stat()
        out.write(b"%d messages, %d octets\n" % (messages, octets))
        uids = dict(row.split(None, 1) for row in server.uidl()[1])
        for row in server.list()[1]:
            number, size = row.split()[:2]
            out.write(b"%s %s %s\n" % (number, size, uids[number]))
        for line in server.top(1, 0)[1] if messages else ():
            if line.lower().startswith(b"subject:"):
                out.write(line + b"\n")
                break


if __name__ == "__main__":
    # Octets go out as they came.
    check(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.stdout.buffer)
