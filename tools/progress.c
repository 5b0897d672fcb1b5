/*
 * progress.c - how far a download is, in one line on a terminal
 * SPDX-License-Identifier: MIT
 *
 * Owns the line: messages, octets, rate and time left. It is drawn over itself
 * and never more than a few times a second.
 */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DRAW_MS = 200, AMOUNT_ROOM = 16 };

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void progress_begin(struct progress *p, int quiet)
{
    memset(p, 0, sizeof *p);
    p->wanted = !quiet && isatty(STDERR_FILENO);
    p->begun_ms = now_ms();
    p->drawn_ms = p->begun_ms; /* what is over at once shows nothing */
}

/* "999 B", "1.0 kB", "12.3 MB". */
static void write_amount(char *out, double octets)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;

    while (octets >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        octets /= 1000;
        unit++;
    }
    snprintf(out, AMOUNT_ROOM, unit ? "%.1f %s" : "%.0f %s", octets,
             units[unit]);
}

/* "1:02:03 left"; nothing where nobody can say. */
static void write_left(char *out, size_t size, double seconds)
{
    unsigned long s = seconds < 1e6 ? (unsigned long)seconds : 0;

    *out = '\0';
    if (s >= 3600)
        snprintf(out, size, ", %lu:%02lu:%02lu left", s / 3600, s / 60 % 60,
                 s % 60);
    else if (s)
        snprintf(out, size, ", %lu:%02lu left", s / 60, s % 60);
}

static void draw(const struct progress *p, const pop3_progress *at)
{
    double seconds = (double)(p->drawn_ms - p->begun_ms) / 1000;
    double done = (double)at->octets, all = (double)at->all_octets;
    double rate = seconds > 0 ? done / seconds : 0;
    char some[AMOUNT_ROOM], total[AMOUNT_ROOM], speed[AMOUNT_ROOM], left[32];

    write_amount(some, done);
    write_amount(total, all > done ? all : done); /* LIST's sizes are hints */
    write_amount(speed, rate);
    write_left(left, sizeof left,
               rate > 0 && all > done ? (all - done) / rate : 0);
    fprintf(stderr, "\r%llu of %llu messages, %s of %s, %s/s%s\033[K",
            (unsigned long long)at->messages,
            (unsigned long long)at->all_messages, some, total, speed, left);
    fflush(stderr);
}

void progress_show(struct progress *p, const pop3_progress *at)
{
    int64_t now;

    if (!p->wanted)
        return;
    now = now_ms();
    if (now - p->drawn_ms < DRAW_MS)
        return;
    p->drawn_ms = now;
    draw(p, at);
    p->shown = 1;
}

void progress_clear(struct progress *p)
{
    if (!p->shown)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->shown = 0;
}
