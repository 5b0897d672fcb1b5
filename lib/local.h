/*
 * local.h - what the local system says: errno's words, who runs this, where
 * SPDX-License-Identifier: MIT
 *
 * Layer 0. Every function here may be called by several threads at once.
 */
#ifndef P3_LOCAL_H
#define P3_LOCAL_H

#include "error.h"

#pragma GCC visibility push(hidden)

/* Enough for any word of p3_errno_text. */
enum { P3_ERRNO_TEXT = 128 };

/* What an errno means, for people; in buf or static. */
const char *p3_errno_text(int err, char *buf, size_t size);

/*
 * The login name of the effective user, into name: 0, or an errno; ENOENT where
 * the system knows none, ERANGE where it does not fit.
 */
int p3_local_user(char *name, size_t size);

/* The home directory, $HOME before what the system knows. The same. */
int p3_local_home(char *path, size_t size);

#pragma GCC visibility pop

#endif
