/*
 * faults.h - allocations that fail, and what is left behind
 * SPDX-License-Identifier: MIT
 *
 * The linker's --wrap sends malloc, calloc, realloc and free of the library and
 * of the suites here, and no other's: a block of OpenSSL's or of libc's is not
 * counted, and ASan and valgrind stay below. Where the linker has no --wrap,
 * nothing ever fails, and allocations_can_fail says so.
 */
#ifndef FAULTS_H
#define FAULTS_H

int allocations_can_fail(void);

/* From here on allocations are counted and the n-th fails, alone or with all
 * that come after it; 0: none. Blocks are counted too, from none. */
void fail_nth_allocation(long n);
void fail_from_nth_allocation(long n);

/* Nothing fails any more; blocks are counted on. Then neither are they. */
void fail_no_more(void);
void stop_counting(void);

/* Whether it came to the n-th allocation. */
int failure_met(void);

/* The blocks that were allocated since, and are not freed. */
long live_blocks(void);

/*
 * How often a block was freed, since, that held this text, and how many hold it
 * now. NULL: nothing is looked for. text is not copied.
 */
void watch_for_secret(const char *text);
long secrets_freed(void);
long secrets_live(void);

/* The descriptors that are open in this process. */
int open_descriptors(void);

#endif
