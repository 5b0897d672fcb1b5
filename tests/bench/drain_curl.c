/*
 * drain_curl.c - libcurl reads every message of a mailbox, one after another
 * SPDX-License-Identifier: MIT
 *
 *   drain_curl tcp|ssl PORT COUNT OCTETS [CAFILE]
 *
 * The same as drain.c, with libcurl: one easy handle used again for every
 * message, which keeps its connection. It must not connect twice.
 */
#include <curl/curl.h>

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t octets;

static size_t count_octets(char *data, size_t size, size_t n, void *arg)
{
    (void)data;
    (void)arg;
    octets += size * n;
    return size * n;
}

static CURLcode fetch(CURL *h, const char *base, uint64_t number)
{
    char url[100];
    long connects = 0;
    CURLcode rc;

    snprintf(url, sizeof url, "%s/%" PRIu64, base, number);
    curl_easy_setopt(h, CURLOPT_URL, url);
    rc = curl_easy_perform(h);
    curl_easy_getinfo(h, CURLINFO_NUM_CONNECTS, &connects);
    if (!rc && connects != (number == 1))
        rc = CURLE_COULDNT_CONNECT;
    return rc;
}

int main(int argc, char **argv)
{
    CURL *h;
    char base[64];
    uint64_t count, n;
    CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);

    h = rc ? NULL : curl_easy_init();
    if (!h || argc < 5)
        return 64;
    count = strtoull(argv[3], NULL, 10);
    snprintf(base, sizeof base, "%s://127.0.0.1:%s",
             strcmp(argv[1], "ssl") ? "pop3" : "pop3s", argv[2]);
    curl_easy_setopt(h, CURLOPT_USERNAME, "bench");
    curl_easy_setopt(h, CURLOPT_PASSWORD, "bench");
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, count_octets);
    /* At its best: else it sets SIGPIPE's handler six times a message. */
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    if (argc > 5)
        curl_easy_setopt(h, CURLOPT_CAINFO, argv[5]);
    for (n = 1; !rc && n <= count; n++)
        rc = fetch(h, base, n);
    if (rc)
        fprintf(stderr, "drain_curl: %s\n", curl_easy_strerror(rc));
    curl_easy_cleanup(h);
    curl_global_cleanup();
    printf("%" PRIu64 " messages, %" PRIu64 " octets\n", count, octets);
    return rc || octets != strtoull(argv[4], NULL, 10);
}
