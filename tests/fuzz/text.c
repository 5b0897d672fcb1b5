/*
 * text.c - fuzz target: specifications, netrc files, base64, greetings, records
 * SPDX-License-Identifier: MIT
 *
 * The first octet says which parser gets the rest.
 */
#include "fuzz.h"
#include "netrc.h"
#include "record.h"
#include "sasl.h"
#include "spec.h"

#include <stdlib.h>

static void parse_spec(const char *text, const pop3_netrc *netrc)
{
    struct p3_error error;
    pop3_spec *spec;

    if (p3_spec_parse(text, netrc, &error, &spec))
        return;
    if (netrc)
        pop3_netrc_for_spec(netrc, spec);
    pop3_spec_free(spec);
}

/* What parses is asked for everything. */
static void parse_netrc(const char *text, size_t len)
{
    struct p3_error error;
    pop3_netrc *netrc;

    if (p3_netrc_parse("netrc", text, len, &error, &netrc))
        return;
    pop3_netrc_machine(netrc, "mail.example.org");
    parse_spec("me@mail.example.org", netrc);
    parse_spec("mail.example.org", netrc);
    parse_spec("a", netrc);
    pop3_netrc_free(netrc);
}

static void decode(const char *text, size_t len)
{
    struct p3_buf out;

    p3_buf_init(&out, 0, 1);
    p3_base64_decode((struct p3_text){text, len}, &out);
    p3_buf_release(&out);
}

static void parse_record(const char *text, size_t len)
{
    char octets[64];
    struct p3_record line;

    p3_record_parse(text, len, &line);
    p3_record_decode(line.uid, octets, sizeof octets);
    p3_record_decode(line.name, octets, sizeof octets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = size ? p3_strndup((const char *)data + 1, size - 1) : NULL;
    struct p3_text found;

    if (!text)
        return 0;
    switch (data[0] & 0x80 ? 4 : data[0] & 3) {
    case 0:
        parse_spec(text, NULL);
        break;
    case 1:
        parse_netrc(text, size - 1);
        break;
    case 2:
        decode(text, size - 1);
        break;
    case 4:
        parse_record(text, size - 1);
        break;
    default:
        p3_reply_challenge(text, size - 1, &found);
    }
    free(text);
    return 0;
}
