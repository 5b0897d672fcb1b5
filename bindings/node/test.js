// test.js HOST PORT SSLPORT CA OTHERCA MESSAGE - the exercise of pop3.js
// SPDX-License-Identifier: MIT
//
// Run by tests/check_bindings.sh, which has the server; MESSAGE is the file of
// message 1 as it is on the wire, 2 is deleted. Ends with an error or "ok".
'use strict';
const assert = require('node:assert');
const { readFileSync } = require('node:fs');
const { Worker, isMainThread, workerData } = require('node:worker_threads');
const { Connection, Pop3Error } = require('./pop3.js');

const [host, port, sslPort, ca, otherCa, file] = process.argv.slice(2);
const user = 'node', password = process.env.POP3_PASSWORD;
const wire = readFileSync(file);

// The error of a call that must fail.
function fails(name, call) {
  try {
    call();
  } catch (e) {
    assert(e instanceof Pop3Error && e.name === `POP3_ERROR_${name}`, e);
    assert(e.code > 0 && e.message !== '');
    return e;
  }
  assert.fail(`no ${name}`);
}

function exercise() {
  let c = new Connection(host, Number(port), { timeoutMs: 10000 });
  const e = fails('PROTO', () => c.login(user, 'wrong'));
  assert(e.code === 1 && String(e.reply).startsWith('-ERR [AUTH]'));
  assert.equal(e.respCode, 'AUTH');
  c.login(user, password);
  fails('PROTO', () => c.retr(99));

  assert([...c.chunks(1)].length > 1 && c.retr(1).equals(wire));
  const lines = [...c.lines(1)].map((line) => line.toString('latin1') + '\r\n');
  assert.equal(lines.join(''), wire.toString('latin1'));
  for (const _ of c.chunks(1)) break;
  assert(c.top(1, 0).equals(wire.subarray(0, wire.indexOf('\r\n\r\n') + 4)));
  assert.equal(c.stat().messages, 3);

  for (const n of [-1, 1.5, 2 ** 64 + 2, '2', -1n]) {
    assert.throws(() => c.dele(n), RangeError);
    assert.throws(() => c.retr(n), RangeError);
    assert.throws(() => c.top(1, n), RangeError);
  }
  assert.throws(() => c.login(user, `${password}\0x`), RangeError);
  const first = c.chunks(1);
  first.next();
  c.chunks(1).next();
  assert.throws(() => first.next(), /another message/);

  c.dele(2);
  fails('PROTO', () => c.dele(2));
  c.quit();
  fails('STATE', () => c.stat());

  const tls = { tls: true, caFile: ca, serverName: 'localhost' };
  c = new Connection(host, Number(sslPort), tls);
  c.login(user, password);
  assert.equal(c.stat().messages, 2);
  c.dele(1); // which closing takes back
  c.close();
  fails('STATE', () => c.stat());
  tls.caFile = otherCa;
  fails('CERTIFICATE', () => new Connection(host, Number(sslPort), tls));
}

// What each thread does, at an account of its own, node1 to node4.
function session(account) {
  for (let i = 0; i < 5; i++) {
    const c = new Connection(host, Number(port));
    c.login(account, password);
    assert(c.retr(1).equals(wire));
    c.quit();
  }
}

function startThread(number) {
  return new Promise((done, failed) =>
    new Worker(__filename, {
      argv: process.argv.slice(2), workerData: user + number,
    }).on('error', failed).on('exit', done));
}

if (isMainThread) {
  exercise();
  Promise.all([1, 2, 3, 4].map(startThread)).then(() => console.log('ok'));
} else {
  session(workerData);
}
