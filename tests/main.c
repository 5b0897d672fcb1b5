/*
 * main.c - runs the suites
 * SPDX-License-Identifier: MIT
 *
 * CK_FORK=no runs them in one process, for valgrind and debuggers;
 * CK_RUN_SUITE=reader one of them alone; CK_VERBOSITY=verbose names every test
 * (Check reads these itself). To add a suite: peer.h, the table here,
 * Makefile.am.
 */
#include "peer.h"

#include <stdlib.h>

static Suite *(*const suites[])(void) = {
    reply_suite,   reader_suite, stream_suite,   tls_suite,
    command_suite, queue_suite,  sasl_suite,     auth_suite,
    files_suite,   stored_suite, download_suite, faults_suite,
};

int main(void)
{
    SRunner *runner = srunner_create(NULL);
    size_t i;
    int failed;

    for (i = 0; i < sizeof suites / sizeof *suites; i++)
        srunner_add_suite(runner, suites[i]());
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
