"""Drains a mailbox: python.py pop3|poplib PORT MESSAGES OCTETS."""
# python.py - what python.sh measures, the same for both modules
# SPDX-License-Identifier: MIT

import importlib
import sys

poplib = importlib.import_module(sys.argv[1])
port, messages, octets = map(int, sys.argv[2:])
client = poplib.POP3("127.0.0.1", port)
client.user("bench")
client.pass_("bench")
came = 0
for number in range(1, messages + 1):
    came += client.retr(number)[2]
client.quit()
sys.exit(came != octets)
