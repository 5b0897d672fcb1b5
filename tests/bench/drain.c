/*
 * drain.c - libpop3 reads every message of a mailbox, one after another
 * SPDX-License-Identifier: MIT
 *
 *   drain tcp|ssl PORT COUNT OCTETS [CAFILE]
 *
 * Logs in on 127.0.0.1 as bench, password bench, fetches COUNT messages with
 * one RETR each and counts their octets, which must come to OCTETS. The same as
 * drain_curl.c, line by line, so that the two can be compared.
 */
#include <pop3.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t octets;

static pop3_code fetch(pop3 *c, uint64_t number)
{
    const char *data;
    size_t length;
    pop3_code rc = pop3_retr_begin(c, number);

    while (!rc) {
        rc = pop3_next_slice(c, &data, &length);
        if (rc || !data)
            break;
        octets += length;
    }
    return rc;
}

static pop3_code connect_to(pop3 *c, const char *mode, const char *port,
                            const char *ca)
{
    int n = (int)strtol(port, NULL, 10);
    pop3_code rc = pop3_set_ca_file(c, ca);

    if (rc)
        return rc;
    return strcmp(mode, "ssl") ? pop3_connect(c, "127.0.0.1", n)
                               : pop3_connect_ssl(c, "127.0.0.1", n);
}

int main(int argc, char **argv)
{
    pop3 *c = pop3_new();
    uint64_t count, n;
    pop3_code rc;

    if (!c || argc < 5)
        return 64;
    count = strtoull(argv[3], NULL, 10);
    rc = connect_to(c, argv[1], argv[2], argc > 5 ? argv[5] : NULL);
    if (!rc)
        rc = pop3_login(c, "bench", "bench");
    for (n = 1; !rc && n <= count; n++)
        rc = fetch(c, n);
    if (rc)
        fprintf(stderr, "drain: %s\n", pop3_error(c));
    else
        rc = pop3_quit(c);
    pop3_free(c);
    printf("%" PRIu64 " messages, %" PRIu64 " octets\n", count, octets);
    return rc || octets != strtoull(argv[4], NULL, 10);
}
