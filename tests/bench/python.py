"""Drains a mailbox: python.py pop3|poplib PORT MESSAGES OCTETS [many]."""
# python.py - what python.sh measures, the same for both modules
# SPDX-License-Identifier: MIT

import importlib
import sys

poplib = importlib.import_module(sys.argv[1])
port, messages, octets = map(int, sys.argv[2:5])
many = sys.argv[5:] == ["many"]
client = poplib.POP3("127.0.0.1", port)
client.user("bench")
client.pass_("bench")
came = 0
numbers = range(1, messages + 1)
if many:  # all of them asked for at once
    for _, message in client.retr_many(numbers):
        came += message[2]
else:
    for number in numbers:
        came += client.retr(number)[2]
client.quit()
sys.exit(came != octets)
