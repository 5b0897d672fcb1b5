/*
 * headers_gmime.c - the module that decodes headers, by GMime
 * SPDX-License-Identifier: MIT
 *
 * The only file that touches GMime. It gets single, unfolded fields and so
 * leaves GMime's MIME parser out of what a stranger's message can reach.
 */
#include "headers.h"

#include <gmime/gmime.h>
#include <stdlib.h>
#include <string.h>

/* Puts decoded, GLib's, in the place of *field; NULL: leaves it. */
static void replace(char **field, char *decoded)
{
    char *copy = decoded ? strdup(decoded) : NULL;

    g_free(decoded);
    if (!copy)
        return;
    free(*field);
    *field = copy;
}

static char *decode_date(const char *text)
{
    GDateTime *date = g_mime_utils_header_decode_date(text);
    char *out;

    if (!date)
        return NULL;
    out = g_date_time_format(date, "%Y-%m-%dT%H:%M:%S%:z");
    g_date_time_unref(date);
    return out;
}

static char *decode_text(const char *text)
{
    return g_mime_utils_header_decode_text(NULL, text);
}

/* Addresses; as text where there are none in it. */
static char *decode_addresses(const char *text)
{
    InternetAddressList *list = internet_address_list_parse(NULL, text);
    char *out = NULL;

    if (list && internet_address_list_length(list) > 0)
        out = internet_address_list_to_string(list, NULL, FALSE);
    if (list)
        g_object_unref(list);
    return out ? out : decode_text(text);
}

void pop3_headers_decode(struct headers *h)
{
    g_mime_init();
    if (h->date)
        replace(&h->date, decode_date(h->date));
    if (h->from)
        replace(&h->from, decode_addresses(h->from));
    if (h->subject)
        replace(&h->subject, decode_text(h->subject));
}
