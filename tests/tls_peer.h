/*
 * tls_peer.h - a far end that acts by itself: a server in a thread, with TLS
 * SPDX-License-Identifier: MIT
 *
 * For what peer.h cannot do, a handshake above all. It is told what to be before
 * it starts, and what it heard is asked after end_server, never in between. It
 * gives up after some seconds. Certificates are those of make_certs.sh.
 */
#ifndef TLS_PEER_H
#define TLS_PEER_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>

#define STAMP "<1896.697170952@dbc.example.org>"
#define GREETING "+OK ready " STAMP "\r\n"

struct server {
    int fd, listener; /* -1: none */
    void (*talk)(struct server *);
    const char *cert; /* a name in the folder of certificates */
    const char *key;  /* the same; NULL: cert's */
    int version;      /* of TLS, that alone; 0: any */
    int wants_cert;   /* of the client */
    int no_notify;    /* leaves without close_notify */
    const char *text; /* for what talk says */
    SSL_CTX *ctx;     /* kept from one server to the next: the caller's */
    int ctx_is_ours;
    SSL *ssl;
    pthread_t thread;
    int runs;          /* and is to be joined */
    int shaken;        /* the handshake was made */
    int resumed;       /* a session of before */
    int notified;      /* the client said that it closes TLS */
    char sni[100];     /* what the client asked for */
    char subject[200]; /* of the client's certificate */
    unsigned char binding[EVP_MAX_MD_SIZE]; /* this TLS session's */
    size_t binding_len;
    char heard[2000];  /* lines, their ends and all */
    size_t bulk;       /* octets of a line too long for heard */
    int bulk_is_wrong; /* they were not all 'X' */
};

extern struct server server;

/* "name.suffix" in the folder of certificates. Holds for three calls more. */
const char *cert_path(const char *name, const char *suffix);

/* A server as the members above say from here on: prepared, then perhaps
 * changed, then started. */
void prepare_server(void (*talk)(struct server *));

/* The context of a server with that certificate, to be freed: for servers that
 * are to know each other's sessions. */
SSL_CTX *new_server_ctx(const struct server *s);

/* Starts it; gives the other end of a pair, for a client. */
int start_server(void);

/* Starts it on a loopback address: its port; 0 where there is no such family. */
int start_listener(int family);

/* Waits for it: what it heard holds from now on. */
void end_server(void);

/* A bound socket of a loopback address, or -1; and the port of an address. */
int loopback(int family, struct sockaddr_storage *to, socklen_t *len);
int port_of(const struct sockaddr_storage *a);

/* Neither end waits for ever for another that does not answer. */
void bound_waits(int fd);

/* ---- What its talk may do ---- */

void server_shakes(struct server *s);
int server_reads(struct server *s, char *data, size_t size);
int server_writes(struct server *s, const char *data, size_t len);
int server_says(struct server *s, const char *text);

/* A line into heard; where it began. NULL: no whole one came. */
const char *server_hears(struct server *s);

/* A line of any length, of X alone. */
void server_hears_bulk(struct server *s);

/* Greets and answers what it hears, until QUIT or the end; under TLS. */
void talk_politely(struct server *s);
void talk_tls(struct server *s);

#endif
