/*
 * sasl.c - SASL mechanisms as functions from challenge to response
 * SPDX-License-Identifier: MIT
 *
 * Owns the built-in mechanisms: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195),
 * EXTERNAL (RFC 4422), XOAUTH2, OAUTHBEARER (RFC 7628); and base64. Knows no
 * connection. Not here: the dialogue (auth.c), libgsasl's (gsasl.c). To add one:
 * the table, pop3.h, the manual.
 */
#include "sasl.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <strings.h>

/* ---- Base64 ------------------------------------------------------------ */

enum { CHUNK = 3 * 1024 }; /* octets encoded at once */

int p3_base64_encode(const char *data, size_t len, struct p3_buf *out)
{
    unsigned char text[CHUNK / 3 * 4 + 1];
    int ok = 1;

    while (ok && len) {
        size_t n = len < CHUNK ? len : CHUNK;
        int put = EVP_EncodeBlock(text, (const unsigned char *)data, (int)n);

        ok = p3_buf_add(out, text, (size_t)put);
        data += n;
        len -= n;
    }
    OPENSSL_cleanse(text, sizeof text);
    return ok;
}

static int is_base64_digit(char ch)
{
    return (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') ||
           (ch >= '0' && ch <= '9') || ch == '+' || ch == '/';
}

/* How many = stand at the end; -1 where it is no base64. */
static int count_padding(struct p3_text text)
{
    int padding = 0;
    size_t i;

    if (text.len % 4)
        return -1;
    while (padding < 2 && text.len && text.data[text.len - 1] == '=') {
        text.len--;
        padding++;
    }
    for (i = 0; i < text.len; i++)
        if (!is_base64_digit(text.data[i]))
            return -1;
    return padding;
}

int p3_base64_decode(struct p3_text text, struct p3_buf *out)
{
    int padding = count_padding(text);
    size_t at = out->len;
    int n;

    if (padding < 0 || text.len > 1 << 20 ||
        !p3_buf_reserve(out, text.len / 4 * 3))
        return 0;
    if (!text.len)
        return 1;
    n = EVP_DecodeBlock((unsigned char *)out->data + at,
                        (const unsigned char *)text.data, (int)text.len);
    if (n < padding)
        return 0;
    out->len = at + (size_t)(n - padding);
    out->data[out->len] = '\0';
    return 1;
}

/* ---- The mechanisms ---------------------------------------------------- */

static int out_of_memory(struct p3_sasl *s)
{
    p3_error_memory(s->error);
    return 0;
}

static int unexpected(struct p3_sasl *s)
{
    p3_error_set(s->error, POP3_ERROR_MALFORMED,
                 "AUTH %s: the server asks for more than there is to say",
                 s->mechanism->name);
    return 0;
}

static int plain(struct p3_sasl *s, struct p3_text challenge,
                 struct p3_buf *out)
{
    (void)challenge;
    if (s->steps)
        return unexpected(s);
    if (!p3_buf_add(out, "", 1) || !p3_buf_add_str(out, s->login.user) ||
        !p3_buf_add(out, "", 1) || !p3_buf_add_str(out, s->login.password))
        return out_of_memory(s);
    return 1;
}

/* Its prompts are "Username:" and "Password:", or anything else: order counts. */
static int login(struct p3_sasl *s, struct p3_text challenge,
                 struct p3_buf *out)
{
    (void)challenge;
    if (s->steps > 1)
        return unexpected(s);
    if (!p3_buf_add_str(out, s->steps ? s->login.password : s->login.user))
        return out_of_memory(s);
    return 1;
}

static int add_hex(struct p3_buf *out, const unsigned char *data, size_t len)
{
    int ok = 1;

    for (; ok && len; len--)
        ok = p3_buf_addf(out, "%02x", *data++);
    return ok;
}

static int cram_md5(struct p3_sasl *s, struct p3_text challenge,
                    struct p3_buf *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (s->steps)
        return unexpected(s);
    if (!HMAC(EVP_md5(), s->login.password, (int)strlen(s->login.password),
              (const unsigned char *)challenge.data, challenge.len, digest,
              &len)) {
        p3_error_set(s->error, POP3_ERROR_UNSUPPORTED,
                     "CRAM-MD5: OpenSSL does not do MD5 here");
        return 0;
    }
    if (!p3_buf_addf(out, "%s ", s->login.user) || !add_hex(out, digest, len))
        return out_of_memory(s);
    return 1;
}

/* The certificate says who it is; the response, as whom. */
static int external(struct p3_sasl *s, struct p3_text challenge,
                    struct p3_buf *out)
{
    (void)challenge;
    if (s->steps)
        return unexpected(s);
    return p3_buf_add_str(out, s->login.user) ? 1 : out_of_memory(s);
}

/* The second challenge of an OAuth mechanism is its complaint, which is kept
 * for the user; it is answered so that -ERR may follow. */
static int take_complaint(struct p3_sasl *s, struct p3_text challenge,
                          struct p3_buf *out, const char *answer)
{
    if (s->steps > 1)
        return unexpected(s);
    s->state = p3_strndup(challenge.data, challenge.len);
    if (!s->state || !p3_buf_add_str(out, answer))
        return out_of_memory(s);
    return 1;
}

static void free_complaint(struct p3_sasl *s)
{
    p3_free_secret(s->state);
    s->state = NULL;
}

/* Another mechanism's state is no text. */
const char *p3_sasl_complaint(const struct p3_sasl *s)
{
    return s->mechanism->end == free_complaint ? s->state : NULL;
}

/* An empty line answers its complaint. */
static int xoauth2(struct p3_sasl *s, struct p3_text challenge,
                   struct p3_buf *out)
{
    if (s->steps)
        return take_complaint(s, challenge, out, "");
    if (!p3_buf_addf(out, "user=%s\001auth=Bearer %s\001\001", s->login.user,
                     s->login.password))
        return out_of_memory(s);
    return 1;
}

/* A GS2 name: "=" and "," are taken (RFC 5801, 4). */
static int add_gs2_name(struct p3_buf *out, const char *name)
{
    int ok = 1;

    for (; ok && *name; name++) {
        if (*name == '=')
            ok = p3_buf_add_str(out, "=3D");
        else if (*name == ',')
            ok = p3_buf_add_str(out, "=2C");
        else
            ok = p3_buf_add(out, name, 1);
    }
    return ok;
}

/* RFC 7628, 3.1; its complaint is answered by one octet 0x01 (3.2.3). */
static int oauthbearer(struct p3_sasl *s, struct p3_text challenge,
                       struct p3_buf *out)
{
    int ok;

    if (s->steps)
        return take_complaint(s, challenge, out, "\001");
    ok = p3_buf_add_str(out, *s->login.user ? "n,a=" : "n,") &&
         add_gs2_name(out, s->login.user) &&
         p3_buf_addf(out, ",\001host=%s\001", s->login.host);
    if (ok && s->login.port)
        ok = p3_buf_addf(out, "port=%d\001", s->login.port);
    ok = ok && p3_buf_addf(out, "auth=Bearer %s\001\001", s->login.password);
    return ok ? 1 : out_of_memory(s);
}

/* Microsoft 365 closes the link where a token comes with the AUTH line, so the
 * OAuth mechanisms wait for the server's "+". */
static const struct p3_mechanism mechanisms[] = {
    {"PLAIN", 1, 1, 0, plain, NULL},
    {"LOGIN", 1, 0, 0, login, NULL},
    {"CRAM-MD5", 0, 0, 0, cram_md5, NULL},
    {"EXTERNAL", 0, 1, 0, external, NULL},
    {"XOAUTH2", 1, 1, 1, xoauth2, free_complaint},
    {"OAUTHBEARER", 1, 1, 1, oauthbearer, free_complaint},
};

const struct p3_mechanism *p3_sasl_find(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
        if (!strcasecmp(mechanisms[i].name, name))
            return &mechanisms[i];
    return NULL;
}
