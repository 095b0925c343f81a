/* SPDX-License-Identifier: MIT */
/* The golden files of tests/golden, three ways: a reader written from docs/format.md alone finds in them what `expect`
 * says, the library's own replay finds the same records and gaps with each engine that it was built with, and the
 * generator makes the same files today. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../golden/golden.h"
#include "../golden/reader.h"
#include "platform_mem.h"
#include "record.h"
#include "replay.h"
#include "suite.h"

#define READ_RAW_BYTES ((size_t)1 << 20)

static struct golden_set *tree; /* what is in the tree: names, files, expect */
static struct golden_set *made; /* what the generator makes now */

/* ---- the tree ---- */

static void golden_path(char *out, size_t len, const char *name, const char *file)
{
    const char *srcdir = getenv("srcdir");

    snprintf(out, len, "%s/tests/golden/%s%s%s", srcdir ? srcdir : ".", name, file[0] ? "/" : "", file);
}

static unsigned char *load(const char *name, const char *file, size_t *lenp)
{
    unsigned char *data = malloc(1 << 20);
    char path[1024];
    FILE *in;

    golden_path(path, sizeof path, name, file);
    in = fopen(path, "rb");
    golden_check(data && in, path);
    *lenp = fread(data, 1, (1 << 20) - 1, in);
    golden_check(feof(in) && !ferror(in), path);
    data[*lenp] = '\0';
    fclose(in);
    return data;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = ((const struct golden_file *)a)->number, y = ((const struct golden_file *)b)->number;

    return x < y ? -1 : x > y;
}

static void load_case(const char *name)
{
    struct golden_case *c = golden_add(tree, strdup(name), "", true);
    char path[1024];
    struct dirent *entry;
    size_t len;
    DIR *dir;

    golden_path(path, sizeof path, name, "");
    golden_check((dir = opendir(path)) != NULL, path);
    while ((entry = readdir(dir)) != NULL) {
        struct golden_file *file = &c->files[c->file_count];

        if (!strstr(entry->d_name, ".hq"))
            continue;
        golden_check(c->file_count++ < GOLDEN_FILES_MAX, path);
        file->number = strtoull(entry->d_name, NULL, 10);
        file->data = load(name, entry->d_name, &file->len);
    }
    closedir(dir);
    qsort(c->files, c->file_count, sizeof *c->files, compare_numbers);
    c->expect = (char *)load(name, "expect", &len);
}

static bool is_case(const char *name)
{
    return strncmp(name, "valid-", 6) == 0 || strncmp(name, "broken-", 7) == 0 || strncmp(name, "future-", 7) == 0;
}

static void load_all(void)
{
    char path[1024];
    struct dirent *entry;
    DIR *dir;

    golden_path(path, sizeof path, "", "");
    dir = opendir(path);
    tree = calloc(1, sizeof *tree);
    golden_check(tree && dir, path);
    while ((entry = readdir(dir)) != NULL)
        if (is_case(entry->d_name))
            load_case(entry->d_name);
    closedir(dir);
    made = golden_make();
}

static void free_all(void)
{
    for (size_t i = 0; i < tree->count; i++)
        free((void *)(uintptr_t)tree->cases[i].name);
    golden_free(tree);
    golden_free(made);
}

static char *read_case(const struct golden_case *c)
{
    struct reader_file files[GOLDEN_FILES_MAX];
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    for (size_t i = 0; i < c->file_count; i++)
        files[i] = (struct reader_file){c->files[i].number, c->files[i].data, c->files[i].len};
    reader_run(files, c->file_count, out);
    fclose(out);
    return text;
}

static void check_text(const char *name, const char *what, const char *got, const char *wanted)
{
    ck_assert_msg(strcmp(got, wanted) == 0, "%s: %s says:\n%s\ninstead of:\n%s", name, what, got, wanted);
}

/* ---- (a) the independent reader ---- */

START_TEST(a_reader_written_from_the_format_alone_finds_what_is_expected)
{
    ck_assert_uint_ge(tree->count, 20);
    for (size_t i = 0; i < tree->count; i++) {
        char *text = read_case(&tree->cases[i]);

        check_text(tree->cases[i].name, "the reader", text, tree->cases[i].expect);
        free(text);
    }
}
END_TEST

/* ---- (b) the library ---- */

struct rig {
    struct mem_platform *mem;
    struct hpr_dir       dir;
    struct hpr_replay    replay;
};

static void rig_open(struct rig *rig, const struct golden_case *c, enum hpr_engine engine)
{
    size_t slab_bytes = hpr_inflater_bytes(engine, 15).slab;
    const struct hopper_io *io;
    char path[300];

    memset(rig, 0, sizeof *rig);
    rig->mem = mem_platform_new(NULL);
    io = &mem_platform_table(rig->mem)->io;
    ck_assert_int_eq(mem_mkdir(rig->mem, "/q", 0700), 0);
    for (size_t i = 0; i < c->file_count; i++) {
        snprintf(path, sizeof path, "/q/%020" PRIu64 ".hq", c->files[i].number);
        ck_assert_int_eq(mem_write_file(rig->mem, path, c->files[i].data, c->files[i].len), 0);
    }
    memcpy(rig->dir.channel_id, "hopper-golden-01", 16);
    rig->dir.io = rig->replay.io = io;
    rig->dir.disk_bytes = rig->dir.file_bytes = 1 << 20;
    rig->dir.fd = io->open_at(io->ctx, -1, "/q", O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_ge(rig->dir.fd, 0);
    rig->replay.dir = &rig->dir;
    rig->replay.fd = -1;
    rig->replay.raw_bytes = READ_RAW_BYTES;
    rig->replay.raw = malloc(READ_RAW_BYTES);
    rig->replay.stored_bytes = 1024;
    rig->replay.stored = malloc(1024);
    ck_assert_int_eq(hpr_inflater_init(&rig->replay.inflater, engine, 15, malloc(slab_bytes), slab_bytes), HOPPER_OK);
}

static void rig_close(struct rig *rig)
{
    hpr_replay_close(&rig->replay);
    free(rig->replay.raw);
    free(rig->replay.stored);
    hpr_inflater_fini(&rig->replay.inflater);
    free(rig->replay.inflater.slab.base);
    hpr_io_close(rig->dir.io, rig->dir.fd);
    ck_assert_ptr_null(mem_platform_leaks(rig->mem));
    mem_platform_free(rig->mem);
}

static struct hpr_replay_end end_of(const struct golden_case *c, uint64_t end_seq)
{
    const struct golden_file *last = &c->files[c->file_count - 1];

    return (struct hpr_replay_end){
        .file = {.number = last->number, .bytes = last->len}, .oldest = 1, .seq = end_seq, .due_seq = end_seq};
}

/* Hand out the records of one frame, as the receiver does. */
static uint64_t tell_records(const struct hpr_replay_frame *frame, FILE *out)
{
    struct hpr_records payload = frame->payload;
    const unsigned char *data;
    size_t bytes;
    uint32_t i;

    for (i = 0; i < frame->records && hpr_records_take(&payload, &data, &bytes); i++)
        fprintf(out, "record %" PRIu64 " %zu %08" PRIx32 "\n", frame->first_seq + i, bytes, hpr_crc32(0, data, bytes));
    if (i < frame->records)
        fprintf(out, "gap %" PRIu64 " %" PRIu32 " dropped 0\n", frame->first_seq + i, frame->records - i);
    return frame->first_seq + frame->records;
}

/* All records and gaps from NEXT up to END_SEQ, as the lines of `expect`; *REASONP: why the last ones lost were. */
static char *replay_case(const struct golden_case *c, enum hpr_engine engine, uint64_t next, uint64_t end_seq,
                         uint32_t *reasonp)
{
    const struct hpr_replay_end end = end_of(c, end_seq);
    struct hpr_replay_frame frame;
    uint64_t dropped = 0;
    struct rig rig;
    hopper_status st;
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    *reasonp = HOPPER_GAP_NONE;
    rig_open(&rig, c, engine);
    do {
        st = hpr_replay_next(&rig.replay, &end, next, &frame, NULL);
        if (st == HOPPER_END)
            frame.first_seq = end_seq;
        else
            ck_assert_int_eq(st, HOPPER_OK);
        if (frame.first_seq > next) {
            fprintf(out, "gap %" PRIu64 " %" PRIu64 " dropped %" PRIu64 "\n", next, frame.first_seq - next,
                    st == HOPPER_OK ? frame.dropped_total - dropped : 0);
            *reasonp = frame.reason;
        }
        if (st == HOPPER_OK)
            next = tell_records(&frame, out);
        dropped = frame.dropped_total;
    } while (st == HOPPER_OK);
    fclose(out);
    rig_close(&rig);
    return text;
}

/* The lines of EXPECT that tell of records and gaps; the sequence numbers that they cover. */
static char *stream_of(const char *expect, uint64_t *firstp, uint64_t *endp)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    *firstp = *endp = 0;
    for (const char *line = expect; *line; line = strchr(line, '\n') + 1) {
        bool is_gap = strncmp(line, "gap ", 4) == 0;
        uint64_t seq, count;

        if (!is_gap && strncmp(line, "record ", 7) != 0)
            continue;
        ck_assert_int_eq(sscanf(strchr(line, ' '), "%" SCNu64 " %" SCNu64, &seq, &count), 2);
        *firstp = *firstp ? *firstp : seq;
        *endp = seq + (is_gap ? count : 1);
        fprintf(out, "%.*s\n", (int)strcspn(line, "\n"), line);
    }
    fclose(out);
    return text;
}

static const struct {
    const char *name;
    uint32_t    reason;
} reasons[] = {
    {"broken-payload-byte", HOPPER_GAP_CORRUPT},      {"broken-header-byte", HOPPER_GAP_CORRUPT},
    {"broken-length-prefix", HOPPER_GAP_CORRUPT},     {"broken-file-missing", HOPPER_GAP_VANISHED},
    {"broken-not-a-queue-file", HOPPER_GAP_CORRUPT},  {"broken-cut-inside", HOPPER_GAP_TRUNCATED},
    {"broken-raw-length", HOPPER_GAP_CORRUPT},        {"broken-record-count", HOPPER_GAP_CORRUPT},
    {"broken-codec-unknown", HOPPER_GAP_CORRUPT},     {"broken-deflate-bomb", HOPPER_GAP_CORRUPT},
    {"broken-deflate-short", HOPPER_GAP_CORRUPT},     {"broken-stored-length", HOPPER_GAP_CORRUPT},
};

static uint32_t reason_of(const char *name)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strcmp(reasons[i].name, name) == 0)
            return reasons[i].reason;
    return HOPPER_GAP_NONE;
}

/* Whoever deflated a file, each engine of this build inflates it; _i is one. */
static const char *const engines[HPR_ENGINES] = {
    [HPR_ENGINE_ZLIB] = "the library with zlib",
    [HPR_ENGINE_ISAL] = "the library with ISA-L",
    [HPR_ENGINE_LIBDEFLATE] = "the library with libdeflate",
};

START_TEST(the_library_finds_the_same_records_and_gaps_and_says_why)
{
    size_t with_reason = 0;

    for (size_t i = 0; i < tree->count; i++) {
        const struct golden_case *c = &tree->cases[i];
        uint64_t first, end;
        uint32_t reason;
        char *wanted = stream_of(c->expect, &first, &end), *got;

        if (strstr(c->expect, "refused 1") == NULL) {
            got = replay_case(c, (enum hpr_engine)_i, first, end, &reason);
            check_text(c->name, engines[_i], got, wanted);
            ck_assert_msg(reason_of(c->name) == HOPPER_GAP_NONE || reason == reason_of(c->name), "%s: %s", c->name,
                          hopper_gap_name(reason));
            with_reason += reason_of(c->name) != HOPPER_GAP_NONE;
            free(got);
        }
        free(wanted);
    }
    ck_assert_uint_eq(with_reason, sizeof reasons / sizeof *reasons);
}
END_TEST

/* The channel that wrote a file knows its own id. */
START_TEST(the_library_reads_its_own_file_without_a_good_file_header)
{
    const struct golden_case *c = golden_find(tree, "broken-only-file-header");
    uint64_t first, end;
    uint32_t reason;
    char *wanted = stream_of(golden_find(tree, "valid-bytes-stored")->expect, &first, &end);
    char *got = replay_case(c, HPR_ENGINE_ZLIB, first, end, &reason);

    check_text(c->name, "the library", got, wanted);
    free(got);
    free(wanted);
}
END_TEST

/* The channel knows how many records it has written. */
START_TEST(the_library_does_not_believe_a_sequence_number_that_was_never_given)
{
    const struct golden_case *c = golden_find(tree, "broken-first-seq-ahead");
    uint32_t reason;
    char *got = replay_case(c, HPR_ENGINE_ZLIB, 7, 16, &reason);

    ck_assert_ptr_nonnull(strstr(got, "record 13 "));
    ck_assert_ptr_nonnull(strstr(got, "gap 14 2 dropped 0\n"));
    ck_assert_ptr_null(strstr(got, "record 14"));
    ck_assert_int_eq(reason, HOPPER_GAP_CORRUPT);
    free(got);
}
END_TEST

static bool has_good_header(const struct golden_file *file)
{
    struct hpr_file_header header;

    return hpr_frame_get_file_header(file->data, file->len, &header) == HPR_FILE_OURS;
}

START_TEST(opening_removes_files_with_a_good_header_and_no_others_and_refuses_a_newer_version)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct golden_case *c = &tree->cases[i];
        struct hopper_options options = HOPPER_OPTIONS_INIT;
        bool is_newer = strcmp(c->name, "future-version") == 0;
        hopper_receiver *rcv;
        hopper_sender *snd;
        struct rig rig;
        char path[300];

        rig_open(&rig, c, HPR_ENGINE_ZLIB);
        options.platform = mem_platform_table(rig.mem);
        ck_assert_int_eq(hopper_open("/", "q", &options, &snd, &rcv, NULL), is_newer ? HOPPER_EVERSION : HOPPER_OK);
        for (size_t k = 0; k < c->file_count; k++) {
            snprintf(path, sizeof path, "/q/%020" PRIu64 ".hq", c->files[k].number);
            ck_assert_msg(mem_exists(rig.mem, path) == (is_newer || !has_good_header(&c->files[k])), "%s: %s", c->name,
                          path);
        }
        hopper_sender_close(snd);
        hopper_receiver_close(rcv);
        rig_close(&rig);
    }
}
END_TEST

/* ---- (c) the generator ---- */

static void check_same_files(const struct golden_case *now, const struct golden_case *then)
{
    ck_assert_uint_eq(now->file_count, then->file_count);
    for (size_t i = 0; i < now->file_count; i++) {
        ck_assert_uint_eq(now->files[i].number, then->files[i].number);
        ck_assert_msg(now->files[i].len == then->files[i].len &&
                      memcmp(now->files[i].data, then->files[i].data, now->files[i].len) == 0,
                      "%s: file %" PRIu64 " is not the same", now->name, now->files[i].number);
    }
}

/* Of those in the tree, the ones that nobody here can make. */
static size_t not_made(void)
{
    size_t count = 0;

    for (size_t i = 0; i < tree->count; i++) {
        const char *name = tree->cases[i].name;
        bool is_made = false;

        for (size_t k = 0; k < made->count; k++)
            is_made |= strcmp(made->cases[k].name, name) == 0;
        count += !is_made;
        ck_assert_msg(is_made || (strcmp(name, GOLDEN_ISAL) == 0 && !hpr_codec_has(HPR_ENGINE_ISAL)) ||
                      strcmp(name, GOLDEN_LIBDEFLATE_CASE) == 0, "%s is not made any more", name);
    }
    return count;
}

START_TEST(the_generator_makes_the_same_files_as_are_in_the_tree)
{
    ck_assert_uint_eq(made->count + not_made(), tree->count);
    for (size_t i = 0; i < made->count; i++) {
        const struct golden_case *now = &made->cases[i], *then = golden_find(tree, now->name);
        char *text = read_case(now);

        check_text(now->name, "the generator", now->expect, then->expect);
        check_text(now->name, "the reader", text, then->expect);
        if (now->is_exact)
            check_same_files(now, then);
        free(text);
    }
}
END_TEST

START_TEST(the_readme_names_every_case)
{
    size_t len;
    char *text = (char *)load("README.md", "", &len), row[100];

    for (size_t i = 0; i < made->count; i++) {
        snprintf(row, sizeof row, "| %s | ", made->cases[i].name);
        ck_assert_msg(strstr(text, row) && strstr(text, made->cases[i].proves), "%s", made->cases[i].name);
    }
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden");
    TCase *tc = tcase_create("files");

    tcase_add_unchecked_fixture(tc, load_all, free_all);
    tcase_add_test(tc, a_reader_written_from_the_format_alone_finds_what_is_expected);
    for (int engine = 0; engine < HPR_ENGINES; engine++)
        if (hpr_codec_has((enum hpr_engine)engine))
            tcase_add_loop_test(tc, the_library_finds_the_same_records_and_gaps_and_says_why, engine, engine + 1);
    tcase_add_test(tc, the_library_reads_its_own_file_without_a_good_file_header);
    tcase_add_test(tc, the_library_does_not_believe_a_sequence_number_that_was_never_given);
    tcase_add_test(tc, opening_removes_files_with_a_good_header_and_no_others_and_refuses_a_newer_version);
    tcase_add_test(tc, the_generator_makes_the_same_files_as_are_in_the_tree);
    tcase_add_test(tc, the_readme_names_every_case);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
