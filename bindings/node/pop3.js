// pop3.js - libpop3 for Node.js
// SPDX-License-Identifier: MIT
//
// Owns the way from C to JavaScript: a connection as an object, errors as
// exceptions, messages as generators of Buffers. Knows nothing of POP3. Needs
// koffi. The library is $LIBPOP3, else the loader's libpop3.so.0. A call blocks
// its thread, so a server calls from a Worker. What has no method here is
// declared with lib.func, as pop3.h has it, and given c.handle.
'use strict';
const koffi = require('koffi');
const lib = koffi.load(process.env.LIBPOP3 || 'libpop3.so.0');

koffi.opaque('pop3');
koffi.alias('pop3_code', 'int');
const row = {
  sizes: koffi.struct('pop3_size', { number: 'uint64_t', octets: 'uint64_t' }),
  uids: koffi.struct('pop3_uid',
    { number: 'uint64_t', length: 'size_t', uid: 'void *' }),
};
// pop3_sizes and pop3_uids differ in their rows alone.
koffi.struct('listing', {
  status: 'void *', status_length: 'size_t', count: 'size_t', rows: 'void *',
  octets: 'uint64_t',
});
koffi.struct('pop3_totals', { messages: 'uint64_t', octets: 'uint64_t' });
koffi.struct('pop3_line', { text: 'void *', length: 'size_t', octets: 'size_t' });

const C = {};
for (const prototype of `
    pop3 *pop3_new(void)
    void pop3_free(pop3 *c)
    const char *pop3_version(void)
    const char *pop3_error(const pop3 *c)
    const char *pop3_code_name(pop3_code code)
    void *pop3_reply(const pop3 *c, _Out_ size_t *length)
    const char *pop3_resp_code(const pop3 *c)
    void pop3_set_timeout(pop3 *c, int ms)
    pop3_code pop3_set_ca_file(pop3 *c, const char *path)
    pop3_code pop3_set_server_name(pop3 *c, const char *name)
    pop3_code pop3_connect(pop3 *c, const char *host, int port)
    pop3_code pop3_connect_ssl(pop3 *c, const char *host, int port)
    pop3_code pop3_login(pop3 *c, const char *user, const char *password)
    pop3_code pop3_stat(pop3 *c, _Out_ pop3_totals *out)
    pop3_code pop3_list(pop3 *c, _Out_ void **out)
    pop3_code pop3_uidl(pop3 *c, _Out_ void **out)
    void pop3_sizes_free(void *sizes)
    void pop3_uids_free(void *uids)
    pop3_code pop3_retr_begin(pop3 *c, uint64_t number)
    pop3_code pop3_top_begin(pop3 *c, uint64_t number, uint64_t lines)
    pop3_code pop3_next_slice(pop3 *c, _Out_ void **data, _Out_ size_t *length)
    pop3_code pop3_next_line(pop3 *c, _Out_ pop3_line *out)
    pop3_code pop3_dele(pop3 *c, uint64_t number)
    pop3_code pop3_quit(pop3 *c)
    void pop3_close(pop3 *c)`.trim().split('\n')) {
  const f = lib.func(prototype);
  C[/pop3_\w+(?=\()/.exec(prototype)[0]] = f;
}

// Bytes at a place in memory, copied.
function bytes(at, length) {
  return Buffer.from(koffi.decode(at, 'uint8_t', length));
}

// Its code, by number and name; the server's line (a Buffer) and its response
// code, both empty where there is none.
class Pop3Error extends Error {
  constructor(handle, code) {
    super(C.pop3_error(handle));
    const length = [0];
    const reply = C.pop3_reply(handle, length);
    this.name = C.pop3_code_name(code);
    this.code = code;
    this.reply = bytes(reply, length[0]);
    this.respCode = C.pop3_resp_code(handle);
  }
}

// Numbers that C would cut to others are refused.
function whole(number) {
  if (['number', 'bigint'].includes(typeof number) && number >= 0 &&
      Number.isSafeInteger(Number(number)))
    return number;
  throw new RangeError(`not a whole number: ${String(number)}`);
}

// Frees the handles of connections that nobody holds any more.
const lost = new FinalizationRegistry((handle) => C.pop3_free(handle));

class Connection {
  #begun = 0; // messages

  // options: tls, caFile, serverName, timeoutMs
  constructor(host, port = 0, options = {}) {
    const { tls, caFile, serverName, timeoutMs } = options;
    this.handle = C.pop3_new();
    if (!this.handle) throw new Error('out of memory');
    try {
      if (timeoutMs !== undefined) C.pop3_set_timeout(this.handle, timeoutMs);
      if (caFile) this.#check(C.pop3_set_ca_file(this.handle, caFile));
      if (serverName)
        this.#check(C.pop3_set_server_name(this.handle, serverName));
      const dial = tls ? C.pop3_connect_ssl : C.pop3_connect;
      this.#check(dial(this.handle, host, port));
    } catch (e) { // at once: the collector does not know how much it holds
      C.pop3_free(this.handle);
      throw e;
    }
    lost.register(this, this.handle);
  }

  #check(code) {
    if (code !== 0) throw new Pop3Error(this.handle, code);
  }

  login(user, password) {
    if (`${user}${password}`.includes('\0'))
      throw new RangeError('NUL in a login');
    this.#check(C.pop3_login(this.handle, user, password));
  }

  // { messages, octets }
  stat() {
    const totals = {};
    this.#check(C.pop3_stat(this.handle, totals));
    return totals;
  }

  // The rows of a listing, as koffi decodes them.
  #rows(ask, free, kind, value) {
    const out = [null];
    this.#check(ask(this.handle, out));
    try {
      const { count, rows } = koffi.decode(out[0], 'listing');
      const all = count ? koffi.decode(rows, kind, count) : [];
      return new Map(all.map((row) => [row.number, value(row)]));
    } finally {
      free(out[0]);
    }
  }

  // Map of number => octets, in the server's order
  list() {
    return this.#rows(C.pop3_list, C.pop3_sizes_free, row.sizes,
      (row) => row.octets);
  }

  // Map of number => uid, its octets as characters
  uidl() {
    return this.#rows(C.pop3_uidl, C.pop3_uids_free, row.uids,
      (row) => bytes(row.uid, row.length).toString('latin1'));
  }

  // Begins a message; which of this connection it is, for #checkTurn.
  #start(number, lines) {
    whole(number);
    if (lines !== undefined) whole(lines);
    this.#begun++;
    this.#check(lines === undefined ? C.pop3_retr_begin(this.handle, number)
      : C.pop3_top_begin(this.handle, number, lines));
    return this.#begun;
  }

  #checkTurn(begun) {
    if (begun !== this.#begun) throw new Error('another message was begun');
  }

  // The message in pieces, cut anywhere; with lines: only what TOP gives. What
  // is not read of it, the next command skips.
  *chunks(number, lines) {
    const begun = this.#start(number, lines);
    for (const data = [null], length = [0]; ;) {
      this.#checkTurn(begun);
      this.#check(C.pop3_next_slice(this.handle, data, length));
      if (!data[0]) return;
      yield bytes(data[0], length[0]);
    }
  }

  // The message line by line, without their ends.
  *lines(number, lines) {
    const begun = this.#start(number, lines);
    for (const line = {}; ;) {
      this.#checkTurn(begun);
      this.#check(C.pop3_next_line(this.handle, line));
      if (!line.text) return;
      yield bytes(line.text, line.length);
    }
  }

  // The whole message, its line ends as on the wire.
  retr(number) {
    return Buffer.concat([...this.chunks(number)]);
  }

  // Its header and the first lines of its body.
  top(number, lines) {
    return Buffer.concat([...this.chunks(number, lines)]);
  }

  dele(number) {
    this.#check(C.pop3_dele(this.handle, whole(number)));
  }

  // Ends the session; only now the server deletes.
  quit() {
    this.#check(C.pop3_quit(this.handle));
  }

  // Closes at once and deletes nothing; so does the end of `using c = ...`.
  close() {
    C.pop3_close(this.handle);
  }
}
if (Symbol.dispose) // from Node.js 20 on
  Connection.prototype[Symbol.dispose] = Connection.prototype.close;

module.exports = { Connection, Pop3Error, lib, version: C.pop3_version() };
