// check.js HOST PORT USER - what mail is there, and what the first is about
// SPDX-License-Identifier: MIT
//
// The password is $POP3_PASSWORD. Run: node check.js localhost 110 me
// Octets go out as they came.
'use strict';
const { Connection } = require('./pop3.js');

const [host, port, user] = process.argv.slice(2);
const c = new Connection(host, Number(port));
try {
  c.login(user, process.env.POP3_PASSWORD);

  const { messages, octets } = c.stat();
  console.log(`${messages} messages, ${octets} octets`);

  const uids = c.uidl();
  for (const [number, octets] of c.list())
    process.stdout.write(`${number} ${octets} ${uids.get(number)}\n`, 'latin1');

  for (const line of messages ? c.lines(1, 0) : []) {
    if (!/^Subject:/i.test(line)) continue;
    process.stdout.write(Buffer.concat([line, Buffer.from('\n')]));
    break;
  }
  c.quit();
} finally {
  c.close();
}
