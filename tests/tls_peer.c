/*
 * tls_peer.c - a far end that acts by itself: a server in a thread, with TLS
 * SPDX-License-Identifier: MIT
 *
 * Owns the thread, its socket and the server's side of OpenSSL. Knows nothing of
 * the library, and little of POP3.
 */
#include "tls_peer.h"

#include <check.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { LONG_MS = 10000 }; /* not meant to be met */

struct server server;

const char *cert_path(const char *name, const char *suffix)
{
    static char paths[4][1000];
    static int next;
    const char *folder = getenv("CERTS");
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s%s", folder ? folder : "tests/certs",
             name, suffix);
    return path;
}

static int accept_any(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1;
}

SSL_CTX *new_server_ctx(const struct server *s)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    ck_assert_ptr_nonnull(ctx);
    ck_assert_int_eq(
        SSL_CTX_use_certificate_chain_file(ctx, cert_path(s->cert, ".pem")), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(
                         ctx, cert_path(s->key ? s->key : s->cert, ".key"),
                         SSL_FILETYPE_PEM),
                     1);
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (s->version) {
        if (s->version < TLS1_2_VERSION)
            SSL_CTX_set_cipher_list(ctx, "DEFAULT:@SECLEVEL=0");
        SSL_CTX_set_min_proto_version(ctx, s->version);
        SSL_CTX_set_max_proto_version(ctx, s->version);
    }
    if (s->wants_cert)
        SSL_CTX_set_verify(
            ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any);
    return ctx;
}

/* RFC 9266 and RFC 5929, 3: the first Finished message is the client's, but in
 * a resumed session the server's. */
static void note_binding(struct server *s)
{
    static const char label[] = "EXPORTER-Channel-Binding";

    if (SSL_version(s->ssl) < TLS1_3_VERSION) {
        s->binding_len = (s->resumed ? SSL_get_finished
                                     : SSL_get_peer_finished)(
            s->ssl, s->binding, sizeof s->binding);
        return;
    }
    s->binding_len = 32;
    if (SSL_export_keying_material(s->ssl, s->binding, s->binding_len, label,
                                   sizeof label - 1, NULL, 0, 0) != 1)
        s->binding_len = 0;
}

void server_shakes(struct server *s)
{
    const char *name;
    X509 *cert;

    s->ssl = SSL_new(s->ctx);
    if (!s->ssl || !SSL_set_fd(s->ssl, s->fd) || SSL_accept(s->ssl) != 1)
        return;
    s->shaken = 1;
    s->resumed = SSL_session_reused(s->ssl);
    note_binding(s);
    name = SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name);
    snprintf(s->sni, sizeof s->sni, "%s", name ? name : "");
    cert = SSL_get_peer_certificate(s->ssl);
    if (cert)
        X509_NAME_oneline(X509_get_subject_name(cert), s->subject,
                          (int)sizeof s->subject);
    X509_free(cert);
}

int server_reads(struct server *s, char *data, size_t size)
{
    int n;

    if (!s->ssl)
        return (int)recv(s->fd, data, size, 0);
    n = SSL_read(s->ssl, data, (int)size);
    if (n <= 0 && (SSL_get_shutdown(s->ssl) & SSL_RECEIVED_SHUTDOWN))
        s->notified = 1;
    return n;
}

int server_writes(struct server *s, const char *data, size_t len)
{
    ssize_t n;

    while (len) {
        n = s->ssl ? SSL_write(s->ssl, data, (int)len)
                   : send(s->fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return 0;
        data += n;
        len -= (size_t)n;
    }
    return 1;
}

int server_says(struct server *s, const char *text)
{
    return server_writes(s, text, strlen(text));
}

const char *server_hears(struct server *s)
{
    size_t begin = strlen(s->heard), used = begin;

    while (used + 1 < sizeof s->heard) {
        if (server_reads(s, s->heard + used, 1) != 1)
            return NULL;
        if (s->heard[used++] == '\n')
            return s->heard + begin;
    }
    return NULL;
}

void server_hears_bulk(struct server *s)
{
    char data[4096];
    int n, i;

    while ((n = server_reads(s, data, sizeof data)) > 0) {
        for (i = 0; i < n && data[i] == 'X'; i++)
            s->bulk++;
        if (i < n) {
            s->bulk_is_wrong = memcmp(data + i, "\r\n", (size_t)(n - i)) != 0;
            return;
        }
    }
}

static void server_leaves(struct server *s)
{
    if (s->ssl && s->shaken && !s->no_notify)
        SSL_shutdown(s->ssl);
    SSL_free(s->ssl);
    s->ssl = NULL;
    close(s->fd);
    s->fd = -1;
}

void bound_waits(int fd)
{
    struct timeval most = {.tv_sec = LONG_MS / 1000};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
}

static void *server_runs(void *arg)
{
    struct server *s = arg;
    struct pollfd p = {.fd = s->listener, .events = POLLIN};
    sigset_t pipe_alone;

    sigemptyset(&pipe_alone);
    sigaddset(&pipe_alone, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_alone, NULL);
    if (s->listener >= 0 && poll(&p, 1, LONG_MS) == 1)
        s->fd = accept(s->listener, NULL, NULL);
    if (s->fd < 0)
        return NULL;
    bound_waits(s->fd);
    s->talk(s);
    server_leaves(s);
    ERR_clear_error();
    return NULL;
}

void prepare_server(void (*talk)(struct server *))
{
    memset(&server, 0, sizeof server);
    server.fd = server.listener = -1;
    server.talk = talk;
    server.cert = "server";
    server.text = "";
}

static void run_server(void)
{
    server.ctx_is_ours = server.cert && !server.ctx;
    if (server.ctx_is_ours)
        server.ctx = new_server_ctx(&server);
    ck_assert_int_eq(pthread_create(&server.thread, NULL, server_runs, &server),
                     0);
    server.runs = 1;
}

int start_server(void)
{
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    server.fd = fds[1];
    run_server();
    return fds[0];
}

int loopback(int family, struct sockaddr_storage *to, socklen_t *len)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *len = family == AF_INET ? sizeof v4 : sizeof v6;
    memcpy(to, family == AF_INET ? (void *)&v4 : (void *)&v6, *len);
    if (fd >= 0 && bind(fd, (struct sockaddr *)to, *len) < 0) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0)
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)to, len), 0);
    return fd;
}

int port_of(const struct sockaddr_storage *a)
{
    const void *p = a;

    return ntohs(a->ss_family == AF_INET
                     ? ((const struct sockaddr_in *)p)->sin_port
                     : ((const struct sockaddr_in6 *)p)->sin6_port);
}

int start_listener(int family)
{
    struct sockaddr_storage a;
    socklen_t len;

    server.listener = loopback(family, &a, &len);
    if (server.listener < 0)
        return 0;
    ck_assert_int_eq(listen(server.listener, 5), 0);
    run_server();
    return port_of(&a);
}

void end_server(void)
{
    if (!server.runs)
        return;
    ck_assert_int_eq(pthread_join(server.thread, NULL), 0);
    server.runs = 0;
    if (server.ctx_is_ours)
        SSL_CTX_free(server.ctx);
    server.ctx = NULL;
    if (server.listener >= 0)
        close(server.listener);
}

void talk_politely(struct server *s)
{
    const char *line;
    int more = server_says(s, GREETING);

    while (more && (line = server_hears(s))) {
        if (strncmp(line, "STAT", 4) == 0)
            more = server_says(s, "+OK 2 320\r\n");
        else
            more = server_says(s, "+OK\r\n");
        if (strncmp(line, "QUIT", 4) == 0)
            return;
    }
}

void talk_tls(struct server *s)
{
    server_shakes(s);
    if (s->shaken)
        talk_politely(s);
}
