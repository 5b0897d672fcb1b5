/*
 * measure.c - runs programs in turn; their CPU time, wall time and peak memory
 * SPDX-License-Identifier: MIT
 *
 *   measure [-n RUNS] LABEL COMMAND [ARG...] [-- LABEL COMMAND [ARG...]]...
 *
 * Runs each command once without counting, then all of them in turn (A B A B
 * ...), RUNS times (5), and prints the medians of each, and the ratios of the
 * first to each other one, taken pair by pair: median (least to most). CPU is
 * user and system time together.
 *
 *   measure -p COMMAND [ARG...]
 *
 * Runs it once and prints its peak memory (VmHWM) in KiB alone.
 *
 * What the commands print goes to /dev/null; a run takes LIMIT seconds at most.
 * Exit status: 0, or that of the first command that failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_RUNS = 99, MAX_COMMANDS = 8, LIMIT = 100 };

/* What one run took. */
struct cost {
    double cpu;  /* seconds */
    double wall; /* seconds */
    double peak; /* MiB */
};

struct subject {
    const char *label;
    char **argv;
    struct cost runs[MAX_RUNS];
};

/* ---- One run ------------------------------------------------------------------ */

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The alarm outlives exec, and ends what hangs. */
static void become(char **argv)
{
    int null = open("/dev/null", O_WRONLY);

    if (!argv[0] || null < 0 || dup2(null, STDOUT_FILENO) < 0)
        _exit(126);
    alarm(LIMIT);
    execvp(argv[0], argv);
    fprintf(stderr, "measure: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* Its exit status; 128 and the signal that ended it. */
static int run(char **argv, struct cost *cost)
{
    struct rusage use;
    double start = now();
    int status;
    pid_t pid = fork();

    if (pid == 0)
        become(argv);
    while (pid > 0 && wait4(pid, &status, 0, &use) < 0)
        if (errno != EINTR)
            pid = -1;
    if (pid < 0) {
        perror("measure");
        return 126;
    }
    cost->wall = now() - start;
    cost->cpu = seconds(use.ru_utime) + seconds(use.ru_stime);
    cost->peak = (double)use.ru_maxrss / 1024;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_counted(struct subject *s, int n)
{
    int status = run(s->argv, &s->runs[n]);

    if (status)
        fprintf(stderr, "measure: %s: exit status %d\n", s->label, status);
    return status;
}

/* ---- What came out -------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts v, whose middle is then the median. */
static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void print_medians(const struct subject *s, int n)
{
    double cpu[MAX_RUNS], wall[MAX_RUNS], peak[MAX_RUNS];
    int i;

    for (i = 0; i < n; i++) {
        cpu[i] = s->runs[i].cpu;
        wall[i] = s->runs[i].wall;
        peak[i] = s->runs[i].peak;
    }
    printf("  %-18s CPU %7.3f s   wall %7.3f s   peak %6.1f MiB\n", s->label,
           median(cpu, n), median(wall, n), median(peak, n));
}

static void print_ratio(const char *what, double *ratio, int n)
{
    double middle = median(ratio, n);

    printf("   %s %.2f (%.2f to %.2f)", what, middle, ratio[0], ratio[n - 1]);
}

static void print_ratios(const struct subject *a, const struct subject *b,
                         int n)
{
    double cpu[MAX_RUNS], wall[MAX_RUNS];
    int i;

    for (i = 0; i < n; i++) {
        cpu[i] = a->runs[i].cpu / b->runs[i].cpu;
        wall[i] = a->runs[i].wall / b->runs[i].wall;
    }
    printf("  %s/%s:", a->label, b->label);
    print_ratio("CPU", cpu, n);
    print_ratio("wall", wall, n);
    putchar('\n');
}

/* ---- Arguments -------------------------------------------------------------------- */

/* Cuts argv at each "--". How many commands there are, 0 for wrong usage. */
static int cut(char **argv, struct subject *s)
{
    int n = 0;

    while (*argv) {
        if (n == MAX_COMMANDS || !argv[1] || strcmp(argv[1], "--") == 0)
            return 0;
        s[n].label = *argv++;
        s[n++].argv = argv;
        while (*argv && strcmp(*argv, "--") != 0)
            argv++;
        if (*argv)
            *argv++ = NULL;
    }
    return n;
}

static int compare_all(struct subject *s, int count, int runs)
{
    int i, n, status;

    for (n = -1; n < runs; n++)
        for (i = 0; i < count; i++)
            if ((status = run_counted(&s[i], n < 0 ? 0 : n)))
                return status;
    for (i = 0; i < count; i++)
        print_medians(&s[i], runs);
    for (i = 1; i < count; i++)
        print_ratios(&s[0], &s[i], runs);
    return 0;
}

static int print_peak(char **argv)
{
    struct cost cost = {0};
    int status = run(argv, &cost);

    printf("%.0f\n", cost.peak * 1024);
    return status;
}

int main(int argc, char **argv)
{
    static struct subject subjects[MAX_COMMANDS];
    int runs = 5, count;

    if (argc > 2 && !strcmp(argv[1], "-p"))
        return print_peak(argv + 2);
    if (argc > 2 && !strcmp(argv[1], "-n")) {
        runs = (int)strtol(argv[2], NULL, 10);
        argv += 2;
    }
    count = cut(argv + 1, subjects);
    if (!count || runs < 1 || runs > MAX_RUNS) {
        fputs("usage: measure [-n RUNS] LABEL COMMAND... [-- LABEL ...]\n"
              "       measure -p COMMAND...\n",
              stderr);
        return 64;
    }
    return compare_all(subjects, count, runs);
}
