/*
 * check_tls.c - the suite over tls and idn: whom to believe, and what is told
 * SPDX-License-Identifier: MIT
 *
 * Owns the matrix of certificates (made by make_certs.sh), each tried under TLS
 * from the first byte and behind STLS, with a login after it: what the server
 * heard says whether a credential got out. Then what TLS gives besides: pins,
 * versions, resumption, channel bindings. The far end is tls_peer.h's. Not
 * here: TLS over streams of callers, and ends of a session (check_stream.c).
 */
#include "conn.h"
#include "faults.h"
#include "idn.h"
#include "peer.h"
#include "tls_peer.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define MAIL "mail.example.org"

enum {
    SHORT_MS = 30,   /* a timeout that is meant to be met */
    LONG_MS = 10000, /* one that is not */
    LOGIN_MS = 5000  /* long before LONG_MS */
};

/* ---- Fixtures ------------------------------------------------------------ */

static int descriptors_before;

static void setup(void)
{
    descriptors_before = open_descriptors();
    c = pop3_new();
    ck_assert_ptr_nonnull(c);
    pop3_set_timeout(c, LONG_MS);
    ck_assert_int_eq(pop3_set_ca_file(c, cert_path("ca", ".pem")), POP3_OK);
}

static void teardown(void)
{
    pop3_free(c);
    c = NULL;
    end_server();
    ck_assert_int_eq(open_descriptors(), descriptors_before);
}

/* ---- A server, and a login ----------------------------------------------- */

static int says_capas(struct server *s)
{
    return server_says(s, s->ssl ? "+OK\r\nUSER\r\n.\r\n"
                                 : "+OK\r\nUSER\r\nSTLS\r\n.\r\n");
}

static int answers(struct server *s, const char *line)
{
    if (!strcmp(line, "CAPA\r\n"))
        return says_capas(s);
    if (strcmp(line, "STLS\r\n") != 0)
        return server_says(s, "+OK\r\n");
    if (!server_says(s, s->text))
        return 0;
    server_shakes(s);
    return s->shaken;
}

/* TLS from the first byte where it has no text; else that is its reply to
 * STLS. */
static void talk_mail(struct server *s)
{
    const char *line;
    int more;

    if (!*s->text) {
        server_shakes(s);
        if (!s->shaken)
            return;
    }
    more = server_says(s, GREETING);
    while (more && (line = server_hears(s)))
        more = answers(s, line) && strcmp(line, "QUIT\r\n") != 0;
}

/* What it says to STLS; and what a client says that ends there. */
#define BEGIN "+OK begin\r\n"
#define UP_TO_STLS "CAPA\r\nSTLS\r\n"

/* Both ways to TLS. */
enum { FROM_THE_FIRST_BYTE, BEHIND_STLS, WAYS };

static void prepare_mail(const char *cert, int way)
{
    prepare_server(talk_mail);
    server.cert = cert;
    server.key = "leaf";
    server.text = way == BEHIND_STLS ? BEGIN : "";
}

static pop3_code log_in(void)
{
    return pop3_login(c, "me", "secret");
}

/* Connects to the server that is prepared, and logs in under TLS or not at
 * all. */
static pop3_code log_in_to(const char *name, int way)
{
    int fd = start_server();
    pop3_code rc = pop3_connect_fd(c, fd, name, way == FROM_THE_FIRST_BYTE);

    if (rc)
        return rc;
    if (way == BEHIND_STLS) {
        c->stream.bottom.is_private = 0; /* as if it came from afar */
        pop3_set_stls(c, POP3_STLS_REQUIRED);
    }
    return log_in();
}

static int told(const char *words)
{
    return strstr(pop3_error(c), words) != NULL;
}

/* That it failed so, nothing of a login being said before or after. */
static void assert_nothing_got_out(pop3_code got, pop3_code wanted, int way)
{
    ck_assert_int_eq(got, wanted);
    ck_assert_int_eq(pop3_error_code(c), wanted);
    ck_assert_int_eq(pop3_state(c),
                     way == BEHIND_STLS ? POP3_STATE_DEAD : POP3_STATE_CLOSED);
    ck_assert_int_eq(log_in(), way == BEHIND_STLS ? wanted : POP3_ERROR_STATE);
    pop3_shutdown(c);
    end_server();
    ck_assert_str_eq(server.heard, way == BEHIND_STLS ? UP_TO_STLS : "");
}

static void assert_logged_in(pop3_code got)
{
    ck_assert_int_eq(got, POP3_OK);
    ck_assert_int_eq(pop3_is_tls(c), 1);
    ck_assert_int_eq(pop3_quit(c), POP3_OK);
    end_server();
    ck_assert_ptr_nonnull(
        strstr(server.heard, "USER me\r\nPASS secret\r\nQUIT\r\n"));
}

/* ---- Whom to believe ------------------------------------------------------ */

#define BAD POP3_ERROR_CERTIFICATE

static const struct {
    const char *cert;
    const char *name; /* asked for */
    pop3_code code;
    const char *says, *says_too; /* in the message */
} matrix[] = {
    {"valid", MAIL, POP3_OK, "", ""},
    {"valid", "MAIL.Example.ORG.", POP3_OK, "", ""},
    {"valid", "pop.example.org", BAD, "for " MAIL, "not for pop.example.org"},
    {"valid", "example.org", BAD, "for " MAIL, "not for example.org"},
    {"valid", "mail.example.org.evil.example", BAD, "for " MAIL, ""},
    {"valid", "x" MAIL, BAD, "for " MAIL, ""},
    {"two_names", "pop.example.org", POP3_OK, "", ""},
    {"two_names", "imap.example.org", BAD, MAIL ", pop.example.org",
     "not for imap.example.org"},
    /* time */
    {"past", MAIL, BAD, "expired", MAIL},
    {"future", MAIL, BAD, "not yet valid", MAIL},
    /* a wildcard is one whole label, the leftmost (RFC 9525, 6.3) */
    {"wild", MAIL, POP3_OK, "", ""},
    {"wild", "POP.EXAMPLE.ORG", POP3_OK, "", ""},
    {"wild", "example.org", BAD, "for *.example.org", ""},
    {"wild", "a.mail.example.org", BAD, "for *.example.org",
     "not for a.mail.example.org"},
    {"wild", "mail.example.com", BAD, "for *.example.org", ""},
    {"wild_top", "example.org", BAD, "for *.org", ""},
    {"wild_top", MAIL, BAD, "for *.org", ""},
    {"wild_all", "localhost", BAD, "for *", ""},
    {"wild_all", MAIL, BAD, "for *", ""},
    {"wild_partial", MAIL, BAD, "for m*.example.org", "not for " MAIL},
    {"wild_inner", MAIL, BAD, "for mail.*.org", "not for " MAIL},
    {"wild_both", MAIL, BAD, "for *.*.org", "not for " MAIL},
    /* a name in the subject alone is none (RFC 9525, 2) */
    {"cn_only", MAIL, BAD, MAIL, ""},
    /* addresses are addresses */
    {"address", "192.0.2.1", POP3_OK, "", ""},
    {"address", "2001:db8::1", POP3_OK, "", ""},
    {"address", "2001:DB8:0:0::0:1", POP3_OK, "", ""},
    {"address", "192.0.2.2", BAD, "192.0.2.1, 2001:db8::1",
     "not for 192.0.2.2"},
    {"address", "2001:db8::2", BAD, "192.0.2.1, 2001:db8::1",
     "not for 2001:db8::2"},
    {"address", MAIL, BAD, "192.0.2.1", "not for " MAIL},
    {"address_as_name", "192.0.2.1", BAD, "not for 192.0.2.1", ""},
    {"address_as_name", "2001:db8::1", BAD, "not for 2001:db8::1", ""},
    {"wild", "192.0.2.1", BAD, "not for 192.0.2.1", ""},
    {"short_address", "192.0.2.1", BAD, "for ?", "not for 192.0.2.1"},
    {"short_address", MAIL, BAD, "for ?", "not for " MAIL},
    /* names end where they end */
    {"nul", MAIL, BAD, "for mail.example.org?.evil.example", "not for " MAIL},
    {"nul", "evil.example", BAD, ".evil.example", "not for evil.example"},
    /* who says so */
    {"self", MAIL, BAD, "self", "signed"},
    {"unknown", MAIL, BAD, "issuer", MAIL},
    {"unchained", MAIL, BAD, "issuer", MAIL},
    {"chained", MAIL, POP3_OK, "", ""},
    {"chained", "inner CA", BAD, "", ""},
    {"by_leaf", MAIL, BAD, "CA", ""},
    {"client_only", MAIL, BAD, "purpose", MAIL},
};

START_TEST(a_certificate_that_is_wrong_is_told_and_gets_no_password)
{
    int i = _i / WAYS, way = _i % WAYS;
    pop3_code rc;

    prepare_mail(matrix[i].cert, way);
    rc = log_in_to(matrix[i].name, way);
    if (matrix[i].code == POP3_OK) {
        assert_logged_in(rc);
        return;
    }
    ck_assert_msg(told(matrix[i].says) && told(matrix[i].says_too),
                  "%s for %s: %s", matrix[i].cert, matrix[i].name,
                  pop3_error(c));
    ck_assert_msg(!told("\n") && !told("  "), "%s", pop3_error(c));
    assert_nothing_got_out(rc, matrix[i].code, way);
}
END_TEST

/* To OpenSSL these mean any name that ends so, and "" no name at all. */
static const char *const names_for_many[] = {".", ".example.org", ".org"};

START_TEST(a_name_that_would_fit_many_is_refused)
{
    int i = _i / WAYS, way = _i % WAYS;

    prepare_mail("valid", way);
    ck_assert_int_eq(pop3_set_server_name(c, ""), POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_set_server_name(c, names_for_many[i]), POP3_OK);
    assert_nothing_got_out(log_in_to(MAIL, way), POP3_ERROR_TLS, way);
    ck_assert_int_eq(server.shaken, 0);
}
END_TEST

/* Whatever it is; and it is said again at the next connection. */
START_TEST(nothing_is_verified_where_that_is_switched_off)
{
    int i = _i / WAYS, way = _i % WAYS;

    pop3_set_verify(c, 0);
    prepare_mail(matrix[i].cert, way);
    assert_logged_in(log_in_to(matrix[i].name, way));
    if (matrix[i].code == POP3_OK)
        return;
    pop3_set_verify(c, 1);
    prepare_mail(matrix[i].cert, way);
    assert_nothing_got_out(log_in_to(matrix[i].name, way), matrix[i].code, way);
}
END_TEST

/* ---- Pins ------------------------------------------------------------------ */

#define PREFIX "sha256//"
#define NOT_IT PREFIX "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

/* The pin of a certificate's key. */
static const char *pin_of(const char *cert)
{
    static char pin[100];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char *der = NULL;
    unsigned len;
    FILE *f = fopen(cert_path(cert, ".pem"), "r");
    X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
    int n = x ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der) : -1;

    ck_assert_int_gt(n, 0);
    ck_assert_int_eq(
        EVP_Digest(der, (size_t)n, digest, &len, EVP_sha256(), NULL), 1);
    strcpy(pin, PREFIX);
    EVP_EncodeBlock((unsigned char *)pin + sizeof PREFIX - 1, digest, (int)len);
    OPENSSL_free(der);
    X509_free(x);
    fclose(f);
    return pin;
}

static const struct {
    const char *before; /* the right pin, NULL for none */
    const char *behind; /* it */
    int right;          /* whether that is there */
    const char *cert, *name;
    int verify;
    pop3_code code;
} pins[] = {
    {"", "", 1, "valid", MAIL, 1, POP3_OK},
    {"", NOT_IT, 0, "valid", MAIL, 1, BAD},
    {NOT_IT ";", "", 1, "valid", MAIL, 1, POP3_OK},
    {"", ";" NOT_IT, 1, "valid", MAIL, 1, POP3_OK},
    {NOT_IT ";", ";" NOT_IT, 1, "valid", MAIL, 1, POP3_OK},
    {NOT_IT ";", NOT_IT, 0, "valid", MAIL, 1, BAD},
    {"", "", 1, "self", MAIL, 0, POP3_OK},
    {"", NOT_IT, 0, "self", MAIL, 0, BAD},
    {"", NOT_IT, 0, "valid", MAIL, 0, BAD},
    /* it must be right besides */
    {"", "", 1, "self", MAIL, 1, BAD},
    {"", "", 1, "past", MAIL, 1, BAD},
    {"", "", 1, "valid", "pop.example.org", 1, BAD},
};

START_TEST(a_key_that_is_not_pinned_gets_no_password)
{
    int i = _i / WAYS, way = _i % WAYS;
    char text[400];
    pop3_code rc;

    snprintf(text, sizeof text, "%s%s%s", pins[i].before,
             pins[i].right ? pin_of("valid") : "", pins[i].behind);
    ck_assert_int_eq(pop3_set_pin(c, text), POP3_OK);
    pop3_set_verify(c, pins[i].verify);
    prepare_mail(pins[i].cert, way);
    rc = log_in_to(pins[i].name, way);
    if (pins[i].code == POP3_OK) {
        assert_logged_in(rc);
        return;
    }
    if (!pins[i].right) /* and so that it can be pinned */
        ck_assert_msg(told("pinned") && told(pin_of("valid")), "%s",
                      pop3_error(c));
    assert_nothing_got_out(rc, pins[i].code, way);
}
END_TEST

static const char *const no_pins[] = {
    "",
    "sha256",
    PREFIX,
    ";",
    "sha1//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "SHA256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    PREFIX "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
    PREFIX "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF==",
    PREFIX "47DEQpj8HBSa+_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
    NOT_IT ";",
    ";" NOT_IT,
    NOT_IT "; " NOT_IT,
    NOT_IT NOT_IT,
    NOT_IT " ",
};

START_TEST(what_is_no_pin_is_refused_and_leaves_the_one_before)
{
    prepare_mail("valid", FROM_THE_FIRST_BYTE);
    ck_assert_int_eq(pop3_set_pin(c, NOT_IT), POP3_OK);
    ck_assert_int_eq(pop3_set_pin(c, no_pins[_i]), POP3_ERROR_ARGUMENT);
    ck_assert(told("pin"));
    assert_nothing_got_out(log_in_to(MAIL, FROM_THE_FIRST_BYTE), BAD,
                           FROM_THE_FIRST_BYTE);
    ck_assert_int_eq(pop3_set_pin(c, NULL), POP3_OK);
    prepare_mail("valid", FROM_THE_FIRST_BYTE);
    assert_logged_in(log_in_to(MAIL, FROM_THE_FIRST_BYTE));
}
END_TEST

/* ---- Versions --------------------------------------------------------------- */

enum { DEFAULT_FLOOR = -1 };

static const struct {
    int version; /* the server's only one */
    int floor;
    pop3_code code;
} versions[] = {
    {TLS1_3_VERSION, DEFAULT_FLOOR, POP3_OK},
    {TLS1_2_VERSION, DEFAULT_FLOOR, POP3_OK},
    {TLS1_1_VERSION, DEFAULT_FLOOR, POP3_ERROR_TLS},
    {TLS1_VERSION, DEFAULT_FLOOR, POP3_ERROR_TLS},
    {TLS1_3_VERSION, POP3_TLS_1_3, POP3_OK},
    {TLS1_2_VERSION, POP3_TLS_1_3, POP3_ERROR_TLS},
    {TLS1_2_VERSION, POP3_TLS_1_2, POP3_OK},
    {TLS1_1_VERSION, POP3_TLS_1_2, POP3_ERROR_TLS},
    {TLS1_2_VERSION, POP3_TLS_1_1, POP3_OK},
    {TLS1_3_VERSION, POP3_TLS_1_0, POP3_OK},
    {TLS1_VERSION, POP3_TLS_1_1, POP3_ERROR_TLS},
};

START_TEST(a_version_of_tls_below_the_floor_is_refused)
{
    int i = _i / WAYS, way = _i % WAYS;
    pop3_code rc;

    if (versions[i].floor != DEFAULT_FLOOR)
        ck_assert_int_eq(
            pop3_set_tls_floor(c, (pop3_tls_version)versions[i].floor),
            POP3_OK);
    prepare_mail("valid", way);
    server.version = versions[i].version;
    rc = log_in_to(MAIL, way);
    if (versions[i].code == POP3_OK) {
        assert_logged_in(rc);
        return;
    }
    ck_assert(told(MAIL));
    ck_assert_msg(told("version") || told("protocol"), "%s", pop3_error(c));
    assert_nothing_got_out(rc, versions[i].code, way);
}
END_TEST

/* What the system forbids stays forbidden; else it is as it was asked for. */
START_TEST(old_tls_is_spoken_only_where_it_is_asked_for)
{
    pop3_code rc;

    ck_assert_int_eq(pop3_set_tls_floor(c, POP3_TLS_1_0), POP3_OK);
    prepare_mail("valid", FROM_THE_FIRST_BYTE);
    server.version = _i ? TLS1_1_VERSION : TLS1_VERSION;
    rc = log_in_to(MAIL, FROM_THE_FIRST_BYTE);
    if (rc)
        assert_nothing_got_out(rc, POP3_ERROR_TLS, FROM_THE_FIRST_BYTE);
    else
        assert_logged_in(rc);
    ck_assert_int_eq(pop3_set_tls_floor(c, POP3_TLS_1_2), POP3_OK);
    prepare_mail("valid", FROM_THE_FIRST_BYTE);
    server.version = _i ? TLS1_1_VERSION : TLS1_VERSION;
    assert_nothing_got_out(log_in_to(MAIL, FROM_THE_FIRST_BYTE), POP3_ERROR_TLS,
                           FROM_THE_FIRST_BYTE);
}
END_TEST

START_TEST(there_are_four_versions_of_tls)
{
    ck_assert_int_eq(pop3_set_tls_floor(c, (pop3_tls_version)4),
                     POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_set_tls_floor(c, (pop3_tls_version)-1),
                     POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(c->tls_floor, POP3_TLS_1_2);
}
END_TEST

/* ---- A certificate of one's own --------------------------------------------- */

static char passphrase[8];
static int passphrase_len, passphrase_asked;

static int give_passphrase(void *arg, char *buf, size_t size)
{
    ck_assert_ptr_eq(arg, passphrase);
    passphrase_asked++;
    if (passphrase_len <= (int)sizeof passphrase && passphrase_len > 0) {
        ck_assert_uint_le((size_t)passphrase_len, size);
        memcpy(buf, passphrase, (size_t)passphrase_len);
    }
    return passphrase_len;
}

enum { NONE_GIVEN, OPEN_KEY, LOCKED_KEY };

static const struct {
    int given;
    const char *passphrase; /* NULL: nobody is asked */
    int length;
    pop3_code code;
} own_certs[] = {
    {NONE_GIVEN, NULL, 0, POP3_ERROR_TLS},
    {OPEN_KEY, NULL, 0, POP3_OK},
    {OPEN_KEY, "sesame", 6, POP3_OK}, /* which is not asked for */
    {LOCKED_KEY, "sesame", 6, POP3_OK},
    {LOCKED_KEY, NULL, 0, POP3_ERROR_TLS},
    {LOCKED_KEY, "simsala", 7, POP3_ERROR_TLS},
    {LOCKED_KEY, "", 0, POP3_ERROR_TLS},
    {LOCKED_KEY, "", -1, POP3_ERROR_TLS},
    {LOCKED_KEY, "", -2147483647, POP3_ERROR_TLS},
    {LOCKED_KEY, "", 2147483647, POP3_ERROR_TLS}, /* it lies */
};

static void give_own_cert(int i)
{
    static const char *const names[] = {NULL, "other", "locked"};
    const char *name = names[own_certs[i].given];

    passphrase_asked = 0;
    if (name)
        ck_assert_int_eq(
            pop3_set_cert(c, cert_path(name, ".pem"), cert_path(name, ".key")),
            POP3_OK);
    if (!own_certs[i].passphrase)
        return;
    snprintf(passphrase, sizeof passphrase, "%s", own_certs[i].passphrase);
    passphrase_len = own_certs[i].length;
    pop3_set_passphrase(c, give_passphrase, passphrase);
}

START_TEST(an_encrypted_key_is_opened_by_its_passphrase_alone)
{
    int i = _i / WAYS, way = _i % WAYS;
    int locked = own_certs[i].given == LOCKED_KEY;
    pop3_code rc;

    give_own_cert(i);
    prepare_mail("valid", way);
    server.wants_cert = 1;
    rc = log_in_to(MAIL, way);
    ck_assert_int_eq(passphrase_asked > 0, locked && own_certs[i].passphrase);
    if (rc == POP3_OK)
        ck_assert_int_eq(pop3_quit(c), POP3_OK);
    else if (locked)
        ck_assert_msg(told("locked.key"), "%s", pop3_error(c));
    pop3_close(c);
    end_server();
    ck_assert_int_eq(rc, own_certs[i].code);
    ck_assert_str_eq(server.subject, rc ? "" : "/CN=other");
    ck_assert_int_eq(strstr(server.heard, "PASS") != NULL, rc == POP3_OK);
}
END_TEST

/* ---- A context of the caller's ------------------------------------------------ */

static int callers_verify(int ok, X509_STORE_CTX *store)
{
    (void)store;
    return ok;
}

/* What a context is like, as far as it can be asked. */
struct looks {
    uint64_t options;
    long mode, cache_mode, min, max;
    int verify_mode;
    SSL_verify_cb verify;
    int (*new_session)(SSL *, SSL_SESSION *);
    pem_password_cb *ask;
    void *ask_arg;
    unsigned long flags;
    unsigned hostflags;
    const char *host;
};

static struct looks looks_of(SSL_CTX *ctx)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
    struct looks l;

    memset(&l, 0, sizeof l);
    l.options = (uint64_t)SSL_CTX_get_options(ctx);
    l.mode = SSL_CTX_get_mode(ctx);
    l.cache_mode = SSL_CTX_get_session_cache_mode(ctx);
    l.min = SSL_CTX_get_min_proto_version(ctx);
    l.max = SSL_CTX_get_max_proto_version(ctx);
    l.verify_mode = SSL_CTX_get_verify_mode(ctx);
    l.verify = SSL_CTX_get_verify_callback(ctx);
    l.new_session = SSL_CTX_sess_get_new_cb(ctx);
    l.ask = SSL_CTX_get_default_passwd_cb(ctx);
    l.ask_arg = SSL_CTX_get_default_passwd_cb_userdata(ctx);
    l.flags = X509_VERIFY_PARAM_get_flags(param);
    l.hostflags = X509_VERIFY_PARAM_get_hostflags(param);
    l.host = X509_VERIFY_PARAM_get0_host(param, 0);
    return l;
}

START_TEST(a_context_of_the_callers_is_left_as_it_is)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct looks before, after;
    int good = _i < WAYS, way = _i % WAYS;
    pop3_code rc;

    ck_assert_ptr_nonnull(ctx);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, callers_verify);
    ck_assert_int_eq(SSL_CTX_load_verify_file(ctx, cert_path("ca", ".pem")), 1);
    before = looks_of(ctx);
    pop3_set_ssl_ctx(c, ctx);
    pop3_set_verify(c, 0);
    pop3_set_tls_floor(c, POP3_TLS_1_3);
    prepare_mail(good ? "valid" : "past", way);
    server.version = TLS1_2_VERSION;
    rc = log_in_to(MAIL, way);
    if (good)
        assert_logged_in(rc);
    else
        assert_nothing_got_out(rc, BAD, way);
    after = looks_of(ctx);
    ck_assert_mem_eq(&before, &after, sizeof before);
    SSL_CTX_free(ctx);
}
END_TEST

/* ---- Resumption ----------------------------------------------------------------- */

static void change_nothing(void)
{
}

static void change_timeout(void)
{
    pop3_set_timeout(c, LONG_MS + 1);
}

static void change_ca_file(void)
{
    pop3_set_ca_file(c, cert_path("ca", ".pem"));
}

static void change_ca_path(void)
{
    pop3_set_ca_path(c, NULL);
}

static void change_cert(void)
{
    pop3_set_cert(c, NULL, NULL);
}

static void change_passphrase(void)
{
    pop3_set_passphrase(c, NULL, NULL);
}

static void change_verify(void)
{
    pop3_set_verify(c, 1);
}

static void change_pin(void)
{
    pop3_set_pin(c, pin_of("valid"));
}

static void change_floor(void)
{
    pop3_set_tls_floor(c, POP3_TLS_1_2);
}

static void change_name(void)
{
    pop3_set_server_name(c, "pop.example.org");
}

static void change_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    pop3_set_ssl_ctx(c, ctx);
    SSL_CTX_free(ctx);
}

static const struct {
    void (*change)(void);
    int resumed;   /* then */
    int from_then; /* and at the third connection */
} changes[] = {
    {change_nothing, 1, 1}, {change_timeout, 1, 1}, {change_ca_file, 0, 1},
    {change_ca_path, 0, 1}, {change_cert, 0, 1},    {change_passphrase, 0, 1},
    {change_verify, 0, 1},  {change_pin, 0, 1},     {change_floor, 0, 1},
    {change_name, 0, 1},    {change_context, 0, 0},
};

static const int tls_versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* A server's context for several connections, one of TLS's versions. */
static SSL_CTX *new_shared_ctx(int version)
{
    prepare_mail("two_names", FROM_THE_FIRST_BYTE);
    server.version = version;
    return new_server_ctx(&server);
}

static int resumes(SSL_CTX *ctx, const char *name, int way)
{
    prepare_mail("two_names", way);
    server.ctx = ctx;
    assert_logged_in(log_in_to(name, way));
    return server.resumed;
}

START_TEST(a_session_is_resumed_while_the_settings_stay)
{
    int i = _i / 4, way = _i % WAYS;
    SSL_CTX *ctx = new_shared_ctx(tls_versions[_i % 4 / 2]);

    ck_assert_int_eq(resumes(ctx, MAIL, way), 0);
    changes[i].change();
    ck_assert_int_eq(resumes(ctx, MAIL, way), changes[i].resumed);
    ck_assert_int_eq(resumes(ctx, MAIL, way), changes[i].from_then);
    SSL_CTX_free(ctx);
}
END_TEST

START_TEST(a_session_is_never_resumed_under_another_name)
{
    SSL_CTX *ctx = new_shared_ctx(tls_versions[_i]);

    ck_assert_int_eq(resumes(ctx, MAIL, 0), 0);
    ck_assert_int_eq(resumes(ctx, "pop.example.org", 0), 0);
    ck_assert_int_eq(resumes(ctx, MAIL, 0), 0);
    ck_assert_int_eq(resumes(ctx, MAIL, 0), 1);
    SSL_CTX_free(ctx);
}
END_TEST

/* Another handle knows nothing of it. */
START_TEST(a_session_belongs_to_its_handle)
{
    SSL_CTX *ctx = new_shared_ctx(tls_versions[_i]);

    ck_assert_int_eq(resumes(ctx, MAIL, 0), 0);
    pop3_free(c);
    c = pop3_new();
    pop3_set_ca_file(c, cert_path("ca", ".pem"));
    ck_assert_int_eq(resumes(ctx, MAIL, 0), 0);
    SSL_CTX_free(ctx);
}
END_TEST

static int resumes_at_a_port(SSL_CTX *ctx)
{
    int port;

    prepare_mail("server", FROM_THE_FIRST_BYTE);
    server.ctx = ctx;
    port = start_listener(AF_INET);
    ck_assert_int_eq(pop3_connect_ssl(c, "127.0.0.1", port), POP3_OK);
    assert_logged_in(log_in());
    return server.resumed;
}

START_TEST(a_session_is_never_resumed_at_another_port)
{
    SSL_CTX *ctx;
    struct sockaddr_storage a;
    socklen_t len;
    int held;

    prepare_server(talk_mail);
    server.version = tls_versions[_i];
    ctx = new_server_ctx(&server);
    ck_assert_int_eq(resumes_at_a_port(ctx), 0);
    held = loopback(AF_INET, &a, &len); /* lest the port be the same again */
    ck_assert_int_eq(resumes_at_a_port(ctx), 0);
    close(held);
    SSL_CTX_free(ctx);
}
END_TEST

/* One that was made when nothing was verified is worth nothing later. */
START_TEST(a_session_that_was_not_verified_is_not_resumed_into_trust)
{
    SSL_CTX *ctx;

    prepare_mail("self", FROM_THE_FIRST_BYTE);
    server.version = tls_versions[_i];
    ctx = new_server_ctx(&server);
    pop3_set_verify(c, 0);
    server.ctx = ctx;
    assert_logged_in(log_in_to(MAIL, FROM_THE_FIRST_BYTE));
    pop3_set_verify(c, 1);
    prepare_mail("self", FROM_THE_FIRST_BYTE);
    server.ctx = ctx;
    assert_nothing_got_out(log_in_to(MAIL, FROM_THE_FIRST_BYTE), BAD,
                           FROM_THE_FIRST_BYTE);
    SSL_CTX_free(ctx);
}
END_TEST

/* ---- Bindings -------------------------------------------------------------------- */

START_TEST(both_ends_have_the_same_channel_binding)
{
    int version = tls_versions[_i / 2];
    SSL_CTX *ctx = new_shared_ctx(version);
    unsigned char data[P3_BINDING_SIZE];
    const char *kind = "";
    size_t n;

    if (_i % 2)
        ck_assert_int_eq(resumes(ctx, MAIL, 0), 0);
    prepare_mail("two_names", FROM_THE_FIRST_BYTE);
    server.ctx = ctx;
    ck_assert_int_eq(log_in_to(MAIL, FROM_THE_FIRST_BYTE), POP3_OK);
    n = p3_stream_binding(&c->stream, data, &kind);
    assert_logged_in(POP3_OK);
    ck_assert_int_eq(server.resumed, _i % 2);
    ck_assert_str_eq(kind,
                     version == TLS1_3_VERSION ? "tls-exporter" : "tls-unique");
    ck_assert_uint_gt(n, 0);
    ck_assert_uint_eq(n, server.binding_len);
    ck_assert_mem_eq(data, server.binding, n);
    SSL_CTX_free(ctx);
}
END_TEST

START_TEST(without_the_extended_master_secret_there_is_no_binding)
{
    SSL_CTX *ctx = new_shared_ctx(TLS1_2_VERSION);
    unsigned char data[P3_BINDING_SIZE];
    const char *kind = "";

    SSL_CTX_set_options(ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    prepare_mail("two_names", FROM_THE_FIRST_BYTE);
    server.ctx = ctx;
    ck_assert_int_eq(log_in_to(MAIL, FROM_THE_FIRST_BYTE), POP3_OK);
    ck_assert_uint_eq(p3_stream_binding(&c->stream, data, &kind), 0);
    assert_logged_in(POP3_OK);
    SSL_CTX_free(ctx);
}
END_TEST

START_TEST(in_clear_there_is_no_binding)
{
    unsigned char data[P3_BINDING_SIZE];
    const char *kind = "";
    int fd;

    prepare_mail("valid", BEHIND_STLS);
    fd = start_server();
    ck_assert_uint_eq(p3_stream_binding(&c->stream, data, &kind), 0);
    ck_assert_int_eq(pop3_connect_fd(c, fd, MAIL, 0), POP3_OK);
    ck_assert_uint_eq(p3_stream_binding(&c->stream, data, &kind), 0);
    ck_assert_int_eq(pop3_stls(c), POP3_OK);
    ck_assert_uint_gt(p3_stream_binding(&c->stream, data, &kind), 0);
    pop3_close(c);
    ck_assert_uint_eq(p3_stream_binding(&c->stream, data, &kind), 0);
}
END_TEST

/* ---- Names in other scripts -------------------------------------------------------- */

#define BOOKS   \
    "b\xC3\xBC" \
    "cher.example"
#define BOOKS_IN_CAPITALS \
    "B\xC3\x9C"           \
    "CHER.EXAMPLE"
#define BOOKS_IN_TWO_PARTS \
    "bu\xCC\x88"           \
    "cher.example" /* not composed */
#define BOOKS_IN_ASCII "xn--bcher-kva.example"

static const struct {
    const char *name, *server_name;
    const char *cert, *sni;
    pop3_code code;
} scripts[] = {
    {BOOKS, NULL, "idn", BOOKS_IN_ASCII, POP3_OK},
    {BOOKS_IN_CAPITALS, NULL, "idn", BOOKS_IN_ASCII, POP3_OK},
    {BOOKS_IN_TWO_PARTS, NULL, "idn", BOOKS_IN_ASCII, POP3_OK},
    {BOOKS_IN_ASCII, NULL, "idn", BOOKS_IN_ASCII, POP3_OK},
    {"192.0.2.1", BOOKS, "idn", BOOKS_IN_ASCII, POP3_OK},
    {BOOKS, MAIL, "valid", MAIL, POP3_OK},
    {BOOKS, NULL, "valid", BOOKS_IN_ASCII, BAD},
    {"bucher.example", NULL, "idn", "bucher.example", BAD},
};

static int has_idn(void)
{
    struct p3_error error = {0};
    char *name = NULL;
    int has = p3_idn_to_ascii(BOOKS, &error, &name) == POP3_OK;

    ck_assert(has || strstr(error.text, "libidn2"));
    free(name);
    return has;
}

START_TEST(a_name_in_another_script_is_verified_in_ascii)
{
    int i = _i / WAYS, way = _i % WAYS;
    pop3_code rc;

    if (!has_idn())
        return;
    prepare_mail(scripts[i].cert, way);
    pop3_set_server_name(c, scripts[i].server_name);
    rc = log_in_to(scripts[i].name, way);
    if (scripts[i].code == POP3_OK) {
        assert_logged_in(rc);
        ck_assert_str_eq(server.sni, scripts[i].sni);
        return;
    }
    ck_assert_msg(told(scripts[i].sni), "%s", pop3_error(c));
    assert_nothing_got_out(rc, scripts[i].code, way);
}
END_TEST

static const char *const no_names[] = {
    "\xFF.example",
    "b\xC3.example",
    "\xE2\x80\xAE.example",
};

START_TEST(what_is_no_name_in_any_script_is_refused)
{
    int fd;

    if (!has_idn())
        return;
    prepare_mail("idn", FROM_THE_FIRST_BYTE);
    fd = start_server();
    ck_assert_int_eq(pop3_connect_fd(c, fd, no_names[_i], 1),
                     POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    close(fd); /* which was not taken */
    end_server();
    ck_assert_str_eq(server.heard, "");
}
END_TEST

/* ---- STLS, attacked ------------------------------------------------------------------ */

/* Says its text to STLS, and from then on hears whatever comes, in clear. */
static void talk_clear_stls(struct server *s)
{
    const char *line;
    int more = server_says(s, GREETING);

    while (more && (line = server_hears(s)))
        more = !strcmp(line, "STLS\r\n") ? server_says(s, s->text)
                                         : says_capas(s);
}

/* What a client says: no credential, in any form. */
static void assert_no_login_heard(void)
{
    static const char *const words[] = {"USER", "PASS",   "APOP", "AUTH",
                                        "me",   "secret", "AG1l"};
    int i;

    for (i = 0; i < COUNT(words); i++)
        ck_assert_msg(!strstr(server.heard, words[i]), "%s", server.heard);
}

static const struct {
    const char *text; /* to STLS */
    pop3_code code;
} injections[] = {
    {"+OK begin\r\n+OK injected\r\n", POP3_ERROR_MALFORMED},
    {"+OK begin\r\n-ERR injected\r\n", POP3_ERROR_MALFORMED},
    {"+OK begin\r\n+OK\r\nSASL PLAIN\r\nUSER\r\n.\r\n", POP3_ERROR_MALFORMED},
    {"+OK begin\r\n+", POP3_ERROR_MALFORMED},
    {"+OK begin\r\n\r\n", POP3_ERROR_MALFORMED},
    {"+OK begin\r\n\n", POP3_ERROR_MALFORMED},
    {"+OK begin\n+OK\n", POP3_ERROR_MALFORMED},
    {"+OK begin\r\n\x15\x03\x03", POP3_ERROR_MALFORMED},
};

START_TEST(bytes_behind_the_reply_to_stls_end_it_all)
{
    int i = _i / 2, fd;

    prepare_server(_i % 2 ? talk_clear_stls : talk_mail);
    server.cert = "valid";
    server.key = "leaf";
    server.text = injections[i].text;
    fd = start_server();
    ck_assert_int_eq(pop3_connect_fd(c, fd, MAIL, 0), POP3_OK);
    c->stream.bottom.is_private = 0;
    ck_assert_int_eq(log_in(), injections[i].code);
    ck_assert(told("between here and the server"));
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    ck_assert_int_eq(log_in(), injections[i].code);
    ck_assert_int_eq(pop3_noop(c), injections[i].code);
    pop3_shutdown(c);
    end_server();
    ck_assert_str_eq(server.heard, UP_TO_STLS); /* not a byte more */
    ck_assert_int_eq(server.shaken, 0);
}
END_TEST

/* What stands in capas, and then what STLS is answered; NULL: the end. */
static const char *strip_capas, *strip_stls;

static void talk_and_strip(struct server *s)
{
    const char *line, *text;
    int more = server_says(s, GREETING);

    while (more && (line = server_hears(s))) {
        text = !strcmp(line, "CAPA\r\n")   ? strip_capas
               : !strcmp(line, "STLS\r\n") ? strip_stls
                                           : "+OK\r\n";
        more = text && server_says(s, text);
    }
}

#define OFFERED "+OK\r\nSTLS\r\nUSER\r\n.\r\n"

static const struct {
    const char *capas, *stls;
    pop3_code code;
    const char *heard;
} strippings[] = {
    {"+OK\r\nUSER\r\n.\r\n", "", POP3_ERROR_UNSUPPORTED, "CAPA\r\n"},
    {"+OK\r\n.\r\n", "", POP3_ERROR_UNSUPPORTED, "CAPA\r\n"},
    {"+OK\r\nXSTLS\r\nSTLSX\r\nX STLS\r\n.\r\n", "", POP3_ERROR_UNSUPPORTED,
     "CAPA\r\n"},
    {"-ERR what\r\n", "", POP3_ERROR_UNSUPPORTED, "CAPA\r\n"},
    {"what\r\n", "", POP3_ERROR_MALFORMED, "CAPA\r\n"},
    {NULL, "", POP3_ERROR_CLOSED, "CAPA\r\n"},
    {OFFERED, "-ERR no\r\n", POP3_ERROR_PROTO, UP_TO_STLS},
    {OFFERED, "-ERR [SYS/TEMP] later\r\n", POP3_ERROR_PROTO, UP_TO_STLS},
    {OFFERED, "what\r\n", POP3_ERROR_MALFORMED, UP_TO_STLS},
    {OFFERED, "+OKAY\r\n", POP3_ERROR_MALFORMED, UP_TO_STLS},
    {OFFERED, "+ \r\n", POP3_ERROR_MALFORMED, UP_TO_STLS},
    {OFFERED, "\r\n", POP3_ERROR_MALFORMED, UP_TO_STLS},
    {OFFERED, NULL, POP3_ERROR_CLOSED, UP_TO_STLS},
};

/* Nor at a second try. */
START_TEST(stls_that_is_required_is_never_gone_without)
{
    int fd;
    pop3_code rc;

    prepare_server(talk_and_strip);
    strip_capas = strippings[_i].capas;
    strip_stls = strippings[_i].stls;
    fd = start_server();
    ck_assert_int_eq(pop3_connect_fd(c, fd, MAIL, 0), POP3_OK);
    c->stream.bottom.is_private = 0;
    pop3_set_stls(c, POP3_STLS_REQUIRED);
    rc = log_in();
    ck_assert_msg(rc == strippings[_i].code, "%d: %s", rc, pop3_error(c));
    ck_assert_int_ne(log_in(), POP3_OK);
    ck_assert_int_ne(pop3_state(c), POP3_STATE_TRANSACTION);
    pop3_close(c);
    end_server();
    ck_assert_int_eq(strncmp(server.heard, strippings[_i].heard,
                             strlen(strippings[_i].heard)),
                     0);
    assert_no_login_heard();
}
END_TEST

/* Where it was offered once, a refusal is no reason to go on in clear. */
START_TEST(stls_that_was_offered_and_fails_is_never_gone_without)
{
    int fd;

    if (!strippings[_i].capas || strcmp(strippings[_i].capas, OFFERED) != 0)
        return;
    prepare_server(talk_and_strip);
    strip_capas = strippings[_i].capas;
    strip_stls = strippings[_i].stls;
    fd = start_server();
    ck_assert_int_eq(pop3_connect_fd(c, fd, MAIL, 0), POP3_OK);
    pop3_set_allow_insecure_login(c, 1);
    ck_assert_int_eq(log_in(), strippings[_i].code);
    pop3_close(c);
    end_server();
    ck_assert_str_eq(server.heard, UP_TO_STLS);
}
END_TEST

/* Answers the handshake as if it were a command. */
static void talk_into_handshake(struct server *s)
{
    char data[2000];
    const char *line;
    int more = server_says(s, GREETING);

    while (more && (line = server_hears(s)) && strcmp(line, "STLS\r\n") != 0)
        more = says_capas(s);
    if (!more || !server_says(s, BEGIN) ||
        server_reads(s, data, sizeof data) <= 0)
        return;
    server_says(s, s->text);
    while (server_hears(s))
        ;
}

static const char *const clear_words[] = {
    "+OK hello\r\n",
    "-ERR no TLS here\r\n",
    "+OK\r\n",
    "HTTP/1.0 400 Bad Request\r\n\r\n",
    "",
};

START_TEST(cleartext_where_a_handshake_was_due_ends_it_all)
{
    int fd;

    prepare_server(talk_into_handshake);
    server.text = clear_words[_i];
    fd = start_server();
    pop3_set_verify(c, 0);
    ck_assert_int_eq(pop3_connect_fd(c, fd, MAIL, 0), POP3_OK);
    c->stream.bottom.is_private = 0;
    if (!*clear_words[_i])
        pop3_set_connect_timeout(c, SHORT_MS);
    ck_assert_int_eq(log_in(),
                     *clear_words[_i] ? POP3_ERROR_TLS : POP3_ERROR_TIMEOUT);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    ck_assert_int_eq(pop3_is_tls(c), 0);
    ck_assert_int_eq(log_in(),
                     *clear_words[_i] ? POP3_ERROR_TLS : POP3_ERROR_TIMEOUT);
    pop3_shutdown(c);
    end_server();
    assert_no_login_heard();
}
END_TEST

/* ---- A handshake without end ------------------------------------------------------------ */

/* A record of 16 KiB, a byte each millisecond. */
static void drip(struct server *s)
{
    char hello[2000];
    int i;

    if (server_reads(s, hello, sizeof hello) <= 0 ||
        !server_writes(s, "\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", 9))
        return;
    for (i = 0; i < LOGIN_MS && server_writes(s, "x", 1); i++)
        usleep(1000);
}

static void talk_drip(struct server *s)
{
    const char *line;

    if (!*s->text) {
        drip(s);
        return;
    }
    server_says(s, GREETING);
    while ((line = server_hears(s)) && strcmp(line, "STLS\r\n") != 0)
        says_capas(s);
    server_says(s, s->text);
    drip(s);
}

/* CVE-2011-1947: bytes that come do not make it longer. */
START_TEST(a_handshake_has_its_time_however_steadily_it_drips)
{
    int whole = _i / WAYS, way = _i % WAYS;
    int64_t began = p3_now_ms();

    prepare_server(talk_drip);
    server.text = way == BEHIND_STLS ? BEGIN : "";
    pop3_set_verify(c, 0);
    pop3_set_timeout(c, whole ? LONG_MS : 3 * SHORT_MS);
    pop3_set_connect_timeout(c, whole ? 3 * SHORT_MS : 0);
    ck_assert_int_eq(log_in_to(MAIL, way), POP3_ERROR_TIMEOUT);
    ck_assert_int_lt(p3_now_ms() - began, LOGIN_MS / 2);
    pop3_close(c);
    end_server();
    ck_assert_str_eq(server.heard, way == BEHIND_STLS ? UP_TO_STLS : "");
}
END_TEST

/* ---- The suite ---------------------------------------------------------------------------- */

static TCase *add_case(Suite *s, const char *name)
{
    TCase *t = tcase_create(name);

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return t;
}

static void add_trust(Suite *s)
{
    TCase *t = add_case(s, "trust");

    tcase_add_loop_test(
        t, a_certificate_that_is_wrong_is_told_and_gets_no_password, 0,
        WAYS * COUNT(matrix));
    tcase_add_loop_test(t, a_name_that_would_fit_many_is_refused, 0,
                        WAYS * COUNT(names_for_many));
    tcase_add_loop_test(t, nothing_is_verified_where_that_is_switched_off, 0,
                        WAYS * COUNT(matrix));
    tcase_add_loop_test(t, a_key_that_is_not_pinned_gets_no_password, 0,
                        WAYS * COUNT(pins));
    tcase_add_loop_test(t, what_is_no_pin_is_refused_and_leaves_the_one_before,
                        0, COUNT(no_pins));
    tcase_add_loop_test(t, a_version_of_tls_below_the_floor_is_refused, 0,
                        WAYS * COUNT(versions));
    tcase_add_loop_test(t, old_tls_is_spoken_only_where_it_is_asked_for, 0, 2);
    tcase_add_test(t, there_are_four_versions_of_tls);
    tcase_add_loop_test(t, an_encrypted_key_is_opened_by_its_passphrase_alone,
                        0, WAYS * COUNT(own_certs));
    tcase_add_loop_test(t, a_context_of_the_callers_is_left_as_it_is, 0,
                        2 * WAYS);
    tcase_add_loop_test(t, a_name_in_another_script_is_verified_in_ascii, 0,
                        WAYS * COUNT(scripts));
    tcase_add_loop_test(t, what_is_no_name_in_any_script_is_refused, 0,
                        COUNT(no_names));
}

static void add_sessions(Suite *s)
{
    TCase *t = add_case(s, "sessions");

    tcase_add_loop_test(t, a_session_is_resumed_while_the_settings_stay, 0,
                        4 * COUNT(changes));
    tcase_add_loop_test(t, a_session_is_never_resumed_under_another_name, 0,
                        COUNT(tls_versions));
    tcase_add_loop_test(t, a_session_belongs_to_its_handle, 0,
                        COUNT(tls_versions));
    tcase_add_loop_test(t, a_session_is_never_resumed_at_another_port, 0,
                        COUNT(tls_versions));
    tcase_add_loop_test(
        t, a_session_that_was_not_verified_is_not_resumed_into_trust, 0,
        COUNT(tls_versions));
    tcase_add_loop_test(t, both_ends_have_the_same_channel_binding, 0,
                        2 * COUNT(tls_versions));
    tcase_add_test(t, without_the_extended_master_secret_there_is_no_binding);
    tcase_add_test(t, in_clear_there_is_no_binding);
}

static void add_attacks(Suite *s)
{
    TCase *t = add_case(s, "STLS, attacked");

    tcase_add_loop_test(t, bytes_behind_the_reply_to_stls_end_it_all, 0,
                        2 * COUNT(injections));
    tcase_add_loop_test(t, stls_that_is_required_is_never_gone_without, 0,
                        COUNT(strippings));
    tcase_add_loop_test(t,
                        stls_that_was_offered_and_fails_is_never_gone_without,
                        0, COUNT(strippings));
    tcase_add_loop_test(t, cleartext_where_a_handshake_was_due_ends_it_all, 0,
                        COUNT(clear_words));
    tcase_add_loop_test(t, a_handshake_has_its_time_however_steadily_it_drips,
                        0, 2 * WAYS);
}

Suite *tls_suite(void)
{
    Suite *s = suite_create("tls");

    add_trust(s);
    add_sessions(s);
    add_attacks(s);
    return s;
}
