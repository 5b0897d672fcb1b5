"""Tells what is in a maildrop: check.py HOST PORT USER, $POP3_PASSWORD."""
# SPDX-License-Identifier: MIT
import os
import sys

import pop3


def check(host, port, user):
    with pop3.POP3(host, port) as server:
        server.login(user, os.environ["POP3_PASSWORD"], stls=False)
        messages, octets = server.stat()
        print("%d messages, %d octets" % (messages, octets))
        uids = dict(row.split(None, 1) for row in server.uidl()[1])
        for row in server.list()[1]:
            number, size = row.split()[:2]
            print(number.decode(), size.decode(), uids[number].decode())
        if messages:
            for line in server.top(1, 0)[1]:
                if line.lower().startswith(b"subject:"):
                    print("Subject:", line[8:].strip().decode())


if __name__ == "__main__":
    check(sys.argv[1], int(sys.argv[2]), sys.argv[3])
