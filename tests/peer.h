/*
 * peer.h - the far end of a connection, in memory and in the same thread
 * SPDX-License-Identifier: MIT
 *
 * What the server will say is told before the call, what it heard is asked
 * after. Where nothing is left to read, waiting times out at once. Nothing here
 * allocates, so that the suite of faults counts the library's blocks alone.
 */
#ifndef PEER_H
#define PEER_H

#include "pop3.h"

#include <check.h>

/* The handle under test. */
extern pop3 *c;

/* The stream below it, its arg unused: for a suite that puts one of its own
 * between, or that connects itself. */
extern const pop3_stream peer_stream;

/*
 * A checked fixture: a new handle, connected as "mail.example.org" to a peer
 * that greets with "+OK ready <1896.697170952@dbc.example.org>", the stream
 * being private. The teardown frees it and checks that the stream was closed
 * once for each time that it was opened.
 */
void peer_setup(void);
void peer_teardown(void);

/*
 * Closes c's session and connects anew to that greeting, sent as it is, line
 * end and all. What was said and not read is forgotten, and what was heard;
 * peer_chunk, peer_accepts and a peer_closes or peer_fails that was not met yet
 * hold for the new session.
 */
pop3_code peer_connect(const char *greeting, int is_private);

/* What the server will say, behind what it has to say already. Each call is a
 * segment of its own: no read gives more than one. */
void peer_says(const char *text);
void peer_says_bytes(const void *data, size_t len);

/* All that was written since the last time, a NUL behind it; stays until the
 * next write. */
const char *peer_heard(void);

/* The end of the stream, or POP3_STREAM_FAILED, after what is said. */
void peer_closes(void);
void peer_fails(void);

/* At most n octets a read, 0 for all that is there. */
void peer_chunk(size_t n);

/* A write takes what is left of n octets, and then WANT_WRITE until the next
 * wait. 0: takes all, as at first. */
void peer_accepts(size_t n);

/* The sessions from the next peer_connect on start TLS by themselves, with that
 * result; 0, as at first: OpenSSL would have to. The name that they were last
 * asked to verify, or "". */
void peer_starts_tls(int result);
const char *peer_tls_name(void);

/* Forgets all of the above: a peer as peer_setup finds it. */
void peer_reset(void);

/* How often the stream was closed since. */
int peer_closings(void);

/* ---- The suites, for main.c ---- */

Suite *stream_suite(void);
Suite *tls_suite(void);
Suite *reader_suite(void);
Suite *reply_suite(void);
Suite *command_suite(void);
Suite *queue_suite(void);
Suite *sasl_suite(void);
Suite *auth_suite(void);
Suite *files_suite(void);
Suite *stored_suite(void);
Suite *download_suite(void);
Suite *faults_suite(void);

#endif
