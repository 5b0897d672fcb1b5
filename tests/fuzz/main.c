/*
 * main.c - plays files to a fuzz target, each once
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST = 1 << 20 };

static int play(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(MOST);
    size_t size = 0;
    int ok = f && data;

    if (ok)
        size = fread(data, 1, MOST, f);
    ok = ok && !ferror(f);
    if (ok)
        LLVMFuzzerTestOneInput(data, size);
    else
        perror(path);
    free(data);
    if (f)
        fclose(f);
    return ok;
}

int main(int argc, char **argv)
{
    int i;

    for (i = 1; i < argc; i++)
        if (!play(argv[i]))
            return 1;
    printf("%d played\n", argc - 1);
    return argc < 2;
}
