/* SPDX-License-Identifier: MIT */
/* Write the golden files below a directory: `generate DIR` makes DIR/CASE/NUMBER.hq and DIR/CASE/expect for each case,
 * and DIR/README.md. What is there already is written anew. Run it after a change of the format, and look at the
 * difference; tests/unit/test_golden.c compares what it would write with what is in the tree. It writes all or nothing,
 * and so wants a build with ISA-L and libdeflate. */
#include "golden.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static const char head[] =
    "# Golden files\n"
    "\n"
    "Queue files of format version 1 (docs/format.md), each case a channel's directory. `expect` says what a reader\n"
    "has to report, in the words of reader.h; reader.c is such a reader, written from docs/format.md alone. `valid-*`\n"
    "are written by the library through its public API (`valid-deflate-*`: by its modules, or by another encoder as\n"
    "the name says); `broken-*` and `future-*` are these with bytes changed. A\n"
    "reader in another language is right when it says the same of all of them.\n"
    "\n"
    "All of it, this file included, is written by `tests/golden/generate tests/golden` (`make tests/golden/generate`\n"
    "builds it), in a build with ISA-L and with libdeflate (Debian: libisal-dev, libdeflate-dev). `make check` makes\n"
    "all cases anew that the build has the encoders for and compares: byte for byte, and where the encoder's version\n"
    "has a say (\"deflated\" below) by what a reader reports. Every build reads all of them, whoever wrote them, with\n"
    "each engine that it has.\n"
    "\n"
    "| case | proves |\n"
    "|---|---|\n";

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *out = fopen(path, "wb");

    golden_check(out && fwrite(data, 1, len, out) == len && fclose(out) == 0, path);
}

static void write_case(const char *dir, const struct golden_case *c)
{
    char path[1024];

    snprintf(path, sizeof path, "%s/%s", dir, c->name);
    (void)mkdir(path, 0777);
    for (size_t i = 0; i < c->file_count; i++) {
        snprintf(path, sizeof path, "%s/%s/%020" PRIu64 ".hq", dir, c->name, c->files[i].number);
        write_file(path, c->files[i].data, c->files[i].len);
    }
    snprintf(path, sizeof path, "%s/%s/expect", dir, c->name);
    write_file(path, c->expect, strlen(c->expect));
}

static void write_readme(const char *dir, const struct golden_set *set)
{
    char path[1024];
    FILE *out;

    snprintf(path, sizeof path, "%s/README.md", dir);
    golden_check((out = fopen(path, "wb")) != NULL, path);
    fputs(head, out);
    for (size_t i = 0; i < set->count; i++)
        fprintf(out, "| %s | %s%s |\n", set->cases[i].name, set->cases[i].proves,
                set->cases[i].is_exact ? "" : " (deflated)");
    golden_check(fclose(out) == 0, path);
}

static bool has_case(const struct golden_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->cases[i].name, name) == 0) return true;
    return false;
}

int main(int argc, char **argv)
{
    struct golden_set *set;

    if (argc != 2) {
        fprintf(stderr, "usage: generate DIR\n");
        return 2;
    }
    set = golden_make();
    golden_check(has_case(set, GOLDEN_ISAL) && has_case(set, GOLDEN_LIBDEFLATE_CASE), "a build with all encoders");
    for (size_t i = 0; i < set->count; i++)
        write_case(argv[1], &set->cases[i]);
    write_readme(argv[1], set);
    golden_free(set);
    return 0;
}
