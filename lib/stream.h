/*
 * stream.h - a connected socket or TLS session: bytes in and out, deadlines
 * SPDX-License-Identifier: MIT
 *
 * Layer 1, with dial.c (host and port to a socket) and tls.c (OpenSSL's TLS).
 * At the bottom stands a pop3_stream: the socket's own, or the caller's. TLS is
 * a pop3_stream over another, so nobody above asks whether there is TLS.
 *
 * Non-blocking underneath, blocking above: what is written is put into `out`
 * and leaves while an answer is waited for, so that writing never deadlocks
 * with a reply that is not read yet.
 */
#ifndef P3_STREAM_H
#define P3_STREAM_H

#include "buf.h"

#pragma GCC visibility push(hidden)

/* What TLS is to be like. The strings belong to the owner of the settings. */
struct p3_tls_settings {
    const char *ca_file;
    const char *ca_path;
    const char *cert;
    const char *key;
    int verify;
    const char *pin;        /* "sha256//BASE64;...", or NULL */
    pop3_tls_version floor; /* the lowest version */
    pop3_passphrase_callback passphrase;
    void *passphrase_arg;
    struct ssl_ctx_st *ctx;      /* the caller's own, or NULL */
    const char *peer;            /* "mail.example.org:995", for messages */
    struct p3_tls_cache **cache; /* what is kept from session to session */
};

struct p3_tls;
struct p3_tls_cache;
struct p3_socket;

struct p3_stream {
    pop3_stream io; /* what reads and writes now: the bottom's, or TLS's */
    void *arg;
    pop3_stream bottom;
    void *bottom_arg;
    struct p3_socket *socket; /* the bottom, where it is our own socket */
    struct p3_tls *tls;       /* where TLS runs over the bottom */
    int open;
    int is_tls;
    struct p3_buf out;   /* to be sent */
    int timeout_ms;      /* each wait; 0 or less: for ever */
    int64_t deadline_ms; /* p3_now_ms() at which all must be done; 0: none */
    struct p3_error *error;
};

/* Milliseconds of the monotonic clock. */
int64_t p3_now_ms(void);

void p3_stream_init(struct p3_stream *s, struct p3_error *error);
void p3_stream_release(struct p3_stream *s);

/* Over a connected socket, which it takes in any case; or a caller's stream. */
pop3_code p3_stream_open_fd(struct p3_stream *s, int fd);
void p3_stream_open_io(struct p3_stream *s, const pop3_stream *io, void *arg);

/* Closes the bottom and drops what was not sent. */
void p3_stream_close(struct p3_stream *s);

/* TLS from here on, the certificate verified as settings and name say. */
pop3_code p3_stream_start_tls(struct p3_stream *s,
                              const struct p3_tls_settings *settings,
                              const char *name);

/*
 * Waits for 1 to size bytes while it sends what is in out.
 * *got 0: the end. Fails with TIMEOUT, CLOSED, TLS, IO or MEMORY.
 */
pop3_code p3_stream_read(struct p3_stream *s, void *data, size_t size,
                         size_t *got);

/* Sends of out what can go without waiting. The rest goes with the next read. */
pop3_code p3_stream_push(struct p3_stream *s);

/* 1 where a password may cross: TLS, loopback, local socket, or said so. */
int p3_stream_is_private(const struct p3_stream *s);

/* 1 under TLS; and 1 under TLS, or over a caller's stream that is private. */
int p3_stream_is_tls(const struct p3_stream *s);
int p3_stream_is_protected(const struct p3_stream *s);

/* The channel binding of the TLS session (RFC 5929, RFC 9266): how many octets
 * of it are in data, and its kind, "tls-exporter" or "tls-unique". 0: none. */
enum { P3_BINDING_SIZE = 64 };
size_t p3_stream_binding(const struct p3_stream *s, unsigned char *data,
                         const char **kind);

/* The socket's descriptor, or -1. */
int p3_stream_fd(const struct p3_stream *s);

/* dial.c: a connected, non-blocking, CLOEXEC socket to host, the addresses
 * raced (RFC 8305). deadline_ms as above. */
pop3_code p3_dial(const char *host, int port, int64_t deadline_ms,
                  struct p3_error *error, int *fd);

/* tls.c: TLS over a bottom. p3_tls_handshake returns 1, or a negative
 * POP3_STREAM_ value: WANT_ to be called again, FAILED with error set. */
pop3_code p3_tls_new(const pop3_stream *bottom, void *bottom_arg,
                     const struct p3_tls_settings *settings, const char *name,
                     struct p3_error *error, struct p3_tls **out);
int p3_tls_handshake(struct p3_tls *tls);
void p3_tls_free(struct p3_tls *tls);
void p3_tls_ctx_hold(struct ssl_ctx_st *ctx);
void p3_tls_ctx_drop(struct ssl_ctx_st *ctx);
void p3_tls_cache_free(struct p3_tls_cache *cache);
size_t p3_tls_binding(const struct p3_tls *tls, unsigned char *data,
                      const char **kind);
extern const pop3_stream p3_tls_io; /* read and write; its arg is the p3_tls */

#pragma GCC visibility pop

#endif
