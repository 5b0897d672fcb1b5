/*
 * fuzz.h - a fuzz target, and the plain main that plays files to it
 * SPDX-License-Identifier: MIT
 *
 * A target is one function, libFuzzer's own. `make fuzz` links it with
 * libFuzzer; `make check` links it with main.c and plays the corpus.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
