/*
 * selection.h - which messages there are, and which of them are wanted
 * SPDX-License-Identifier: MIT
 *
 * Layer 7. What LIST and UIDL tell, by a plan and what is stored already.
 */
#ifndef P3_SELECTION_H
#define P3_SELECTION_H

#include "conn.h"
#include "plan.h"

#pragma GCC visibility push(hidden)

/* What is known of a message, in as few octets as can be. */
struct p3_entry {
    uint64_t number;
    uint64_t octets;     /* by LIST */
    uint32_t uid_at;     /* in the text of all unique-ids */
    uint16_t uid_length; /* 0: it has none */
    uint8_t what;        /* enum p3_what */
};

enum p3_what {
    P3_UNKNOWN, /* whether it was stored before */
    P3_WANTED,  /* to be fetched */
    P3_KNOWN,   /* stored by an earlier run */
    P3_ASKED,   /* RETR is on its way, or it waits to be committed */
    P3_SAFE, /* stored, by this run or an earlier one; to be deleted if at all */
    P3_GONE, /* DELE was accepted */
    P3_OVER  /* nothing further is to be done about it */
};

struct p3_selection {
    pop3 *c;
    const pop3_plan *plan;
    pop3_downloaded *result;
    uint64_t wanted, wanted_octets; /* messages to be fetched, by LIST */

    struct p3_entry *entries; /* by ascending number */
    size_t count;
    size_t first;       /* of those that the plan may want */
    struct p3_buf room; /* where they are */
    struct p3_buf uids; /* the text of all of them, a NUL behind each */
    size_t cursor;      /* where the row of UIDL is looked for first */
    int has_uids;       /* UIDL was answered */
    int strange;        /* and tells of messages that LIST does not */
    int complete;       /* and leaves no message out */
};

void p3_selection_init(struct p3_selection *s, pop3 *c, const pop3_plan *plan,
                       pop3_downloaded *result);
void p3_selection_release(struct p3_selection *s);

/* Asks for LIST and UIDL, and sorts out what is wanted. */
pop3_code p3_select(struct p3_selection *s);

pop3_message p3_message_of(const struct p3_selection *s,
                           const struct p3_entry *e);

/* Tells the caller what became of a message. */
void p3_tell(const struct p3_selection *s, const struct p3_entry *e,
             pop3_outcome outcome);

#pragma GCC visibility pop

#endif
