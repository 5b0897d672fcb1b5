/*
 * tls.c - OpenSSL's TLS over any pop3_stream, and its checks
 * SPDX-License-Identifier: MIT
 *
 * The only file that knows OpenSSL's SSL_. Owns the certificate's verification
 * and the message that says what was wrong with it. It does no I/O of its own:
 * a BIO calls the stream below, so no SIGPIPE and no deadline is missed.
 */
#include "stream.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct p3_tls {
    pop3_stream below;
    void *below_arg;
    BIO_METHOD *method;
    SSL_CTX *ctx;
    SSL *ssl;
    char *name; /* the server's, without a dot at its end */
    char *peer; /* for messages */
    char *pin;  /* or NULL */
    struct p3_error *error;
    int64_t below_status; /* the last negative value from below */
    int at_end;           /* the stream below has ended */
    int broken;           /* no close_notify may be sent any more */
    int verify_error;     /* X509_V_..., the first met; of that certificate: */
    char subject[256];
    struct p3_tls_cache *cache; /* NULL under a caller's context */
};

/* What is kept from one session to the next, as long as the settings stay. */
struct p3_tls_cache {
    SSL_CTX *ctx;
    SSL_SESSION *session;
    char *session_peer; /* whom it was with, by address and by name */
    char *session_name;
};

/* ---- The stream below as a BIO ----------------------------------------- */

static int bio_result(BIO *bio, struct p3_tls *tls, int64_t n)
{
    BIO_clear_retry_flags(bio);
    tls->at_end = n == 0;
    if (n >= 0)
        return (int)n;
    tls->below_status = n;
    if (n == POP3_STREAM_WANT_READ)
        BIO_set_retry_read(bio);
    if (n == POP3_STREAM_WANT_WRITE)
        BIO_set_retry_write(bio);
    return -1;
}

static int bio_read(BIO *bio, char *data, int size)
{
    struct p3_tls *tls = BIO_get_data(bio);

    return bio_result(bio, tls,
                      tls->below.read(tls->below_arg, data, (size_t)size));
}

static int bio_write(BIO *bio, const char *data, int size)
{
    struct p3_tls *tls = BIO_get_data(bio);

    return bio_result(bio, tls,
                      tls->below.write(tls->below_arg, data, (size_t)size));
}

static long bio_ctrl(BIO *bio, int what, long n, void *arg)
{
    struct p3_tls *tls = BIO_get_data(bio);

    (void)n;
    (void)arg;
    if (what == BIO_CTRL_EOF)
        return tls->at_end;
    return what == BIO_CTRL_FLUSH;
}

static BIO *new_bio(struct p3_tls *tls)
{
    BIO *bio;

    tls->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "pop3_stream");
    if (!tls->method)
        return NULL;
    BIO_meth_set_read(tls->method, bio_read);
    BIO_meth_set_write(tls->method, bio_write);
    BIO_meth_set_ctrl(tls->method, bio_ctrl);
    bio = BIO_new(tls->method);
    if (!bio)
        return NULL;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    return bio;
}

/* ---- Messages ---------------------------------------------------------- */

/* OpenSSL's reason, for people, or another; what it queued is dropped. */
static const char *reason(const char *otherwise)
{
    unsigned long e = ERR_peek_last_error();
    const char *why = e ? ERR_reason_error_string(e) : NULL;

    ERR_clear_error();
    return why ? why : otherwise;
}

static pop3_code tls_failed(struct p3_tls *tls, const char *what)
{
    return p3_error_set(tls->error, POP3_ERROR_TLS, "%s: %s: %s", tls->peer,
                        what, reason("the connection ended"));
}

/* A name may hold a NUL, which would hide what stands behind it. */
static void add_name(struct p3_buf *out, const ASN1_STRING *name)
{
    const unsigned char *data = ASN1_STRING_get0_data(name);
    int i, len = ASN1_STRING_length(name);

    for (i = 0; i < len; i++)
        p3_buf_add(out, data[i] ? (const char *)&data[i] : "?", 1);
}

/* An address may have any length, as the certificate says. */
static void add_address(struct p3_buf *out, const ASN1_STRING *address)
{
    int len = ASN1_STRING_length(address);
    char ip[INET6_ADDRSTRLEN] = "?";

    if (len == 4 || len == 16)
        inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address),
                  ip, sizeof ip);
    p3_buf_add_str(out, ip);
}

/* The names that a certificate is for, as many as fit. */
static void list_names(X509 *cert, struct p3_buf *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL,
                                            NULL);
    int i;

    for (i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

        if (out->len)
            p3_buf_add_str(out, ", ");
        if (g->type == GEN_DNS)
            add_name(out, g->d.dNSName);
        else if (g->type == GEN_IPADD)
            add_address(out, g->d.iPAddress);
        else
            p3_buf_add_str(out, "?");
    }
    GENERAL_NAMES_free(names);
}

/* What a message says of a certificate that does not fit: the names it is for,
 * or whom it names where it has none. */
static void describe(struct p3_tls *tls, X509 *cert, int error)
{
    struct p3_buf names;

    p3_buf_init(&names, sizeof tls->subject - 1, 0);
    if (error == X509_V_ERR_HOSTNAME_MISMATCH ||
        error == X509_V_ERR_IP_ADDRESS_MISMATCH)
        list_names(cert, &names);
    if (names.len)
        memcpy(tls->subject, names.data, names.len + 1);
    else
        X509_NAME_oneline(X509_get_subject_name(cert), tls->subject,
                          (int)sizeof tls->subject);
    p3_buf_release(&names);
}

/* Remembers the first fault; it does not forgive it. */
static int remember_fault(int ok, X509_STORE_CTX *store)
{
    int index = SSL_get_ex_data_X509_STORE_CTX_idx();
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, index);
    struct p3_tls *tls = SSL_get_app_data(ssl);
    X509 *cert = X509_STORE_CTX_get_current_cert(store);

    if (ok || tls->verify_error)
        return ok;
    tls->verify_error = X509_STORE_CTX_get_error(store);
    if (cert)
        describe(tls, cert, tls->verify_error);
    return 0;
}

static pop3_code untrusted(struct p3_tls *tls, int error)
{
    ERR_clear_error();
    if (error == X509_V_ERR_HOSTNAME_MISMATCH ||
        error == X509_V_ERR_IP_ADDRESS_MISMATCH)
        return p3_error_set(tls->error, POP3_ERROR_CERTIFICATE,
                            "%s: certificate is %s%s%snot for %s", tls->peer,
                            *tls->subject ? "for " : "", tls->subject,
                            *tls->subject ? ", " : "", tls->name);
    return p3_error_set(tls->error, POP3_ERROR_CERTIFICATE,
                        "%s: certificate not verified: %s%s%s%s", tls->peer,
                        X509_verify_cert_error_string(error),
                        *tls->subject ? " (" : "", tls->subject,
                        *tls->subject ? ")" : "");
}

/* ---- Settings ---------------------------------------------------------- */

static int is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* c_rehash's names: eight hexadecimal digits, a dot, a number. */
static int is_hashed_name(const char *name)
{
    return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' &&
           isdigit((unsigned char)name[9]);
}

static int has_hashed_names(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    int found = 0;

    if (!dir)
        return 0;
    while (!found && (entry = readdir(dir)))
        found = is_hashed_name(entry->d_name);
    closedir(dir);
    return found;
}

/*
 * The folder of the system's store is read on demand; its one file holds all
 * authorities and costs 25 ms to read, so it is taken only where the folder has
 * no hashes, or where the user's environment names a store.
 */
static int use_system_store(SSL_CTX *ctx)
{
    if (getenv(X509_get_default_cert_file_env()) ||
        getenv(X509_get_default_cert_dir_env()) ||
        !has_hashed_names(X509_get_default_cert_dir()))
        return SSL_CTX_set_default_verify_paths(ctx);
    return SSL_CTX_set_default_verify_dir(ctx);
}

static pop3_code bad_file(struct p3_tls *tls, const char *path)
{
    return p3_error_set(tls->error, POP3_ERROR_TLS, "%s: %s", path,
                        reason("cannot be read"));
}

static pop3_code load_authorities(struct p3_tls *tls,
                                  const struct p3_tls_settings *set)
{
    if (set->ca_file && !SSL_CTX_load_verify_file(tls->ctx, set->ca_file))
        return bad_file(tls, set->ca_file);
    if (set->ca_path && (!is_folder(set->ca_path) ||
                         !SSL_CTX_load_verify_dir(tls->ctx, set->ca_path)))
        return bad_file(tls, set->ca_path);
    if (!set->ca_file && !set->ca_path && !use_system_store(tls->ctx))
        return bad_file(tls, "the system's certificates");
    return POP3_OK;
}

/* Where there is nobody to ask, an encrypted key is an error, and never a
 * prompt of OpenSSL's on the terminal. */
static int ask_passphrase(char *buf, int size, int writing, void *arg)
{
    const struct p3_tls_settings *set = arg;
    int n;

    (void)writing;
    if (!set->passphrase)
        return -1;
    n = set->passphrase(set->passphrase_arg, buf, (size_t)size);
    return n > size ? -1 : n;
}

static pop3_code load_certificate(struct p3_tls *tls,
                                  const struct p3_tls_settings *set)
{
    const char *key = set->key ? set->key : set->cert;

    if (!set->cert)
        return POP3_OK;
    SSL_CTX_set_default_passwd_cb(tls->ctx, ask_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(tls->ctx, (void *)(uintptr_t)set);
    if (SSL_CTX_use_certificate_chain_file(tls->ctx, set->cert) != 1)
        return bad_file(tls, set->cert);
    if (SSL_CTX_use_PrivateKey_file(tls->ctx, key, SSL_FILETYPE_PEM) != 1)
        return bad_file(tls, key);
    return POP3_OK;
}

/* ---- What is kept from session to session ------------------------------ */

/* TLS 1.3 gives its tickets after the handshake, when it likes. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct p3_tls *tls = SSL_get_app_data(ssl);
    struct p3_tls_cache *cache = tls->cache;
    char *peer = p3_strdup(tls->peer);
    char *name = p3_strdup(tls->name);

    if (!peer || !name) {
        free(peer);
        free(name);
        return 0;
    }
    SSL_SESSION_free(cache->session);
    free(cache->session_peer);
    free(cache->session_name);
    cache->session = session;
    cache->session_peer = peer;
    cache->session_name = name;
    return 1;
}

void p3_tls_ctx_hold(struct ssl_ctx_st *ctx)
{
    SSL_CTX_up_ref(ctx);
}

void p3_tls_ctx_drop(struct ssl_ctx_st *ctx)
{
    SSL_CTX_free(ctx);
}

void p3_tls_cache_free(struct p3_tls_cache *cache)
{
    if (!cache)
        return;
    SSL_SESSION_free(cache->session);
    SSL_CTX_free(cache->ctx);
    free(cache->session_peer);
    free(cache->session_name);
    free(cache);
}

static pop3_code configure(struct p3_tls *tls,
                           const struct p3_tls_settings *set)
{
    static const int numbers[] = {
        [POP3_TLS_1_0] = TLS1_VERSION,
        [POP3_TLS_1_1] = TLS1_1_VERSION,
        [POP3_TLS_1_2] = TLS1_2_VERSION,
        [POP3_TLS_1_3] = TLS1_3_VERSION,
    };
    int floor = numbers[set->floor];
    pop3_code rc = POP3_OK;

    /* What the system forbids stays forbidden. */
    if (SSL_CTX_get_min_proto_version(tls->ctx) < floor &&
        !SSL_CTX_set_min_proto_version(tls->ctx, floor))
        return tls_failed(tls, "no such version of TLS here");
    SSL_CTX_set_options(tls->ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_CLIENT |
                                                 SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls->ctx, keep_session);
    if (set->verify) {
        SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, remember_fault);
        rc = load_authorities(tls, set);
    }
    if (!rc)
        rc = load_certificate(tls, set);
    SSL_CTX_set_default_passwd_cb_userdata(tls->ctx, NULL);
    return rc;
}

/* A context costs 2 ms and the reading of files: it is made once. */
static pop3_code fill_cache(struct p3_tls *tls,
                            const struct p3_tls_settings *set)
{
    struct p3_tls_cache *cache = calloc(1, sizeof *cache);
    pop3_code rc;

    if (!cache)
        return p3_error_memory(tls->error);
    tls->ctx = SSL_CTX_new(TLS_client_method());
    rc = tls->ctx ? configure(tls, set) : p3_error_memory(tls->error);
    if (rc) {
        free(cache);
        return rc;
    }
    SSL_CTX_up_ref(tls->ctx);
    cache->ctx = tls->ctx;
    *set->cache = cache;
    return POP3_OK;
}

static pop3_code make_context(struct p3_tls *tls,
                              const struct p3_tls_settings *set)
{
    pop3_code rc = POP3_OK;

    if (set->ctx) {
        SSL_CTX_up_ref(set->ctx);
        tls->ctx = set->ctx;
        return POP3_OK;
    }
    if (*set->cache) {
        tls->ctx = (*set->cache)->ctx;
        SSL_CTX_up_ref(tls->ctx);
    } else {
        rc = fill_cache(tls, set);
    }
    tls->cache = *set->cache;
    return rc;
}

/* A session that is resumed is not verified anew: what was in date then must be
 * so now. */
static int is_still_valid(const struct p3_tls *tls, SSL_SESSION *session)
{
    X509 *cert = SSL_SESSION_get0_peer(session);

    if (SSL_get_verify_mode(tls->ssl) == SSL_VERIFY_NONE)
        return 1;
    return cert && X509_cmp_current_time(X509_get0_notBefore(cert)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(cert)) > 0;
}

/* The last session with the same peer under the same name, should there be one:
 * it saves a round trip in TLS 1.2, and signatures in both. */
static void resume(struct p3_tls *tls)
{
    const struct p3_tls_cache *cache = tls->cache;

    if (cache && cache->session && is_still_valid(tls, cache->session) &&
        !strcmp(cache->session_peer, tls->peer) &&
        !strcmp(cache->session_name, tls->name))
        SSL_set_session(tls->ssl, cache->session);
}

static int is_address(const char *name)
{
    unsigned char a[16];

    return inet_pton(AF_INET, name, a) == 1 ||
           inet_pton(AF_INET6, name, a) == 1;
}

/* SNI is never an address (RFC 6066, 3). A name that stands in the subject's
 * CN alone is not believed (RFC 9525, 2), nor is half a label (6.3). To OpenSSL
 * ".example.org" is any name that ends so, and "" is no name at all. */
static int expect_name(struct p3_tls *tls)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);

    if (!*tls->name || *tls->name == '.')
        return 0;
    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (is_address(tls->name))
        return X509_VERIFY_PARAM_set1_ip_asc(param, tls->name);
    return SSL_set_tlsext_host_name(tls->ssl, tls->name) &&
           X509_VERIFY_PARAM_set1_host(param, tls->name, 0);
}

static pop3_code make_session(struct p3_tls *tls)
{
    BIO *bio;

    tls->ssl = SSL_new(tls->ctx);
    bio = tls->ssl ? new_bio(tls) : NULL;
    if (!bio)
        return p3_error_memory(tls->error);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_connect_state(tls->ssl);
    SSL_set_mode(tls->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Servers leave without a close_notify; that a reply was cut short is seen
     * by the reply. */
    SSL_set_options(tls->ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (!expect_name(tls))
        return p3_error_set(tls->error, POP3_ERROR_TLS,
                            "\"%s\" cannot be the name of a server", tls->name);
    resume(tls);
    return POP3_OK;
}

static char *without_final_dot(const char *name)
{
    size_t len = strlen(name);

    if (len > 1 && name[len - 1] == '.')
        len--;
    return p3_strndup(name, len);
}

pop3_code p3_tls_new(const pop3_stream *bottom, void *bottom_arg,
                     const struct p3_tls_settings *settings, const char *name,
                     struct p3_error *error, struct p3_tls **out)
{
    struct p3_tls *tls = calloc(1, sizeof *tls);
    pop3_code rc;

    if (!tls)
        return p3_error_memory(error);
    ERR_clear_error();
    tls->below = *bottom;
    tls->below_arg = bottom_arg;
    tls->error = error;
    tls->name = without_final_dot(name);
    tls->peer = p3_strdup(settings->peer);
    tls->pin = settings->pin ? p3_strdup(settings->pin) : NULL;
    rc = tls->name && tls->peer && !tls->pin == !settings->pin
             ? make_context(tls, settings)
             : p3_error_memory(error);
    if (!rc)
        rc = make_session(tls);
    if (rc) {
        p3_tls_free(tls);
        return rc;
    }
    *out = tls;
    return POP3_OK;
}

void p3_tls_free(struct p3_tls *tls)
{
    if (!tls)
        return;
    /* A goodbye, if it can go at once; nobody waits for an answer to it. */
    if (tls->ssl && !tls->broken && SSL_is_init_finished(tls->ssl))
        SSL_shutdown(tls->ssl);
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->ctx);
    BIO_meth_free(tls->method);
    free(tls->name);
    free(tls->peer);
    free(tls->pin);
    free(tls);
    ERR_clear_error();
}

/* ---- Handshake, reading, writing --------------------------------------- */

/* What a call that gave n came to, as a pop3_stream says it. */
static int64_t outcome(struct p3_tls *tls, int n, const char *what)
{
    int why = SSL_get_error(tls->ssl, n);

    if (why == SSL_ERROR_WANT_READ)
        return POP3_STREAM_WANT_READ;
    if (why == SSL_ERROR_WANT_WRITE)
        return POP3_STREAM_WANT_WRITE;
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    tls->broken = 1;
    if (why == SSL_ERROR_SYSCALL && !tls->at_end) {
        ERR_clear_error();
        return tls
            ->below_status; /* which has set the error, where it is ours */
    }
    tls_failed(tls, what);
    return POP3_STREAM_FAILED;
}

static int handshake_failed(struct p3_tls *tls)
{
    int verified = (int)SSL_get_verify_result(tls->ssl);

    if (tls->verify_error) /* a caller's context has a callback of its own */
        verified = tls->verify_error;
    if (SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE &&
        verified != X509_V_OK)
        untrusted(tls, verified);
    return POP3_STREAM_FAILED;
}

/* ---- Pins and bindings ------------------------------------------------- */

/* base64 of the SHA-256 of the certificate's public key (RFC 7469, 2.4). */
static int hash_key(const struct p3_tls *tls, char out[64])
{
    X509 *cert = SSL_get1_peer_certificate(tls->ssl);
    unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
    unsigned len = 0;
    int n = cert ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) : -1;
    int ok = n > 0 &&
             EVP_Digest(der, (size_t)n, digest, &len, EVP_sha256(), NULL) &&
             EVP_EncodeBlock((unsigned char *)out, digest, (int)len) > 0;

    OPENSSL_free(der);
    X509_free(cert);
    return ok;
}

/* "sha256//BASE64", several with ";" between them: one is enough. */
static int is_pinned(const char *pins, const char *hash)
{
    static const char prefix[] = "sha256//";
    size_t len = strlen(hash);

    for (; pins; pins = strchr(pins, ';')) {
        pins += *pins == ';';
        if (!strncmp(pins, prefix, sizeof prefix - 1) &&
            !strncmp(pins + sizeof prefix - 1, hash, len) &&
            strchr(";", pins[sizeof prefix - 1 + len]))
            return 1;
    }
    return 0;
}

static int check_pin(struct p3_tls *tls)
{
    char hash[64] = "";

    if (!tls->pin)
        return 1;
    if (hash_key(tls, hash) && is_pinned(tls->pin, hash))
        return 1;
    p3_error_set(tls->error, POP3_ERROR_CERTIFICATE,
                 "%s: the server's key is not the pinned one, but "
                 "sha256//%.44s",
                 tls->peer, hash);
    tls->broken = 1;
    return POP3_STREAM_FAILED;
}

/*
 * TLS 1.3 exports it (RFC 9266). Before that it is the first Finished message
 * (RFC 5929, 3), and means something only with the extended master secret.
 */
size_t p3_tls_binding(const struct p3_tls *tls, unsigned char *data,
                      const char **kind)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    enum { EXPORTED = 32 };

    if (SSL_version(tls->ssl) >= TLS1_3_VERSION) {
        *kind = "tls-exporter";
        return SSL_export_keying_material(tls->ssl, data, EXPORTED, label,
                                          sizeof label - 1, NULL, 0, 0) == 1
                   ? EXPORTED
                   : 0;
    }
    if (SSL_get_extms_support(tls->ssl) != 1)
        return 0;
    *kind = "tls-unique";
    if (SSL_session_reused(tls->ssl))
        return SSL_get_peer_finished(tls->ssl, data, P3_BINDING_SIZE);
    return SSL_get_finished(tls->ssl, data, P3_BINDING_SIZE);
}

int p3_tls_handshake(struct p3_tls *tls)
{
    int64_t status;
    int n;

    ERR_clear_error();
    n = SSL_do_handshake(tls->ssl);
    if (n == 1)
        return check_pin(tls);
    status = outcome(tls, n, "the TLS handshake failed");
    if (status == 0) {
        p3_error_set(tls->error, POP3_ERROR_CLOSED,
                     "%s: the server closed the connection during the TLS "
                     "handshake",
                     tls->peer);
        return POP3_STREAM_FAILED;
    }
    return status == POP3_STREAM_FAILED ? handshake_failed(tls) : (int)status;
}

static int64_t tls_read(void *arg, void *data, size_t size)
{
    struct p3_tls *tls = arg;
    size_t got = 0;
    int n;

    ERR_clear_error();
    n = SSL_read_ex(tls->ssl, data, size, &got);
    return n == 1 ? (int64_t)got : outcome(tls, n, "TLS failed");
}

static int64_t tls_write(void *arg, const void *data, size_t size)
{
    struct p3_tls *tls = arg;
    size_t put = 0;
    int64_t status;
    int n;

    ERR_clear_error();
    n = SSL_write_ex(tls->ssl, data, size, &put);
    if (n == 1)
        return (int64_t)put;
    status = outcome(tls, n, "TLS failed");
    if (status)
        return status;
    p3_error_set(tls->error, POP3_ERROR_CLOSED,
                 "the connection was closed by the server");
    return POP3_STREAM_FAILED;
}

const pop3_stream p3_tls_io = {.read = tls_read, .write = tls_write};
