/*
 * idn.c - host names in other scripts, as DNS and certificates have them
 * SPDX-License-Identifier: MIT
 *
 * Owns libidn2, which is loaded where a name needs it and the system has it,
 * and is no dependency. What it does needs the tables of Unicode, and they are
 * kept there.
 */
#include "idn.h"
#include "buf.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

/* From idn2.h, whose values never change. */
enum { IDN2_OK = 0, IDN2_MALLOC = -100, IDN2_NFC_INPUT = 1 };
enum { IDN2_NONTRANSITIONAL = 8 };

typedef int (*lookup_function)(const uint8_t *name, uint8_t **ascii, int flags);
typedef const char *(*strerror_function)(int rc);
typedef void (*free_function)(void *ptr);

static int is_ascii(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s >= 0x80)
            return 0;
    return 1;
}

/* ISO C has no cast from an object's pointer to a function's; POSIX has. */
static void find(void *library, const char *name, void *function, size_t size)
{
    void *symbol = dlsym(library, name);

    memcpy(function, &symbol, size);
}

static pop3_code refused(struct p3_error *error, const char *name,
                         const char *why)
{
    return p3_error_set(error, POP3_ERROR_ARGUMENT,
                        "\"%.200s\" is no host name: %s", name, why);
}

static pop3_code convert(void *library, const char *name,
                         struct p3_error *error, char **out)
{
    lookup_function lookup;
    strerror_function why;
    free_function release;
    uint8_t *ascii = NULL;
    int rc;

    find(library, "idn2_lookup_u8", &lookup, sizeof lookup);
    find(library, "idn2_strerror", &why, sizeof why);
    find(library, "idn2_free", &release, sizeof release);
    if (!lookup || !why || !release)
        return refused(error, name, "this libidn2 is none");
    rc = lookup((const uint8_t *)name, &ascii,
                IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (rc == IDN2_MALLOC)
        return p3_error_memory(error);
    if (rc != IDN2_OK)
        return refused(error, name, why(rc));
    *out = p3_strdup((const char *)ascii);
    release(ascii);
    return *out ? POP3_OK : p3_error_memory(error);
}

pop3_code p3_idn_to_ascii(const char *name, struct p3_error *error, char **out)
{
    void *library;
    pop3_code rc;

    if (is_ascii(name)) {
        *out = p3_strdup(name);
        return *out ? POP3_OK : p3_error_memory(error);
    }
    library = dlopen("libidn2.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return p3_error_set(error, POP3_ERROR_ARGUMENT,
                            "\"%.200s\" needs libidn2, which is not here; or "
                            "give the name in ASCII, \"xn--...\"",
                            name);
    rc = convert(library, name, error, out);
    dlclose(library);
    return rc;
}
