/* SPDX-License-Identifier: MIT */
/*
 * The command line, by getopt_long(3). Everything is checked here, before anything is opened: what the library would
 * refuse as senseless is refused with the option's name. A mistake is one line on standard error and the hint at
 * --help; the rest of the program sees only sensible values.
 */
#include "args.h"

#include "sizes.h"
#include "status.h"
#include "usage.h"

#include <getopt.h>
#include <hopper/hopper.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_BYTES_MAX_DEFAULT (UINT64_C(16) << 20)

/* The largest values that the library takes, or round ones just below. */
#define FILE_SYSTEM_BYTES_MAX (UINT64_C(4194303) << 40)
#if SIZE_MAX > UINT32_MAX
#define MEMORY_BYTES_MAX      (UINT64_C(4194303) << 40)
#define MEMORY_BYTES_MAX_TEXT "4194303T"
#define RECORD_BYTES_MAX      UINT64_C(4294963198) /* with its terminator one more */
#define RECORD_BYTES_MAX_TEXT "4294963198"
#else
#define MEMORY_BYTES_MAX      (UINT64_C(1023) << 20)
#define MEMORY_BYTES_MAX_TEXT "1023M"
#define RECORD_BYTES_MAX      (UINT64_C(1023) << 20)
#define RECORD_BYTES_MAX_TEXT "1023M"
#endif

#define SYNC_MS_MAX       86400000              /* as the library has it */
#define DECOMPRESS_BYTES  (UINT64_C(1) << 20)   /* the same: memory with --decompress-threads=1 at least */
#define COMPRESS_BYTES    (UINT64_C(512) << 10) /* the same: with less --compress-threads=1 is no faster than 0 */
#define THREADS_NOT_GIVEN UINT32_MAX
#define STATE_FILE_BYTES  (UINT64_C(16) << 10) /* docs/format.md: STATE and PRODUCERS of each channel that survives */

enum {
    OPT_NAME = 256,
    OPT_MAX_DISK,
    OPT_FULL,
    OPT_MAX_RECORD,
    OPT_LONG_RECORDS,
    OPT_DRAIN,
    OPT_FILL,
    OPT_COMPRESS_THREADS,
    OPT_DECOMPRESS_THREADS
};

static const char short_options[] = "m:d:P::y:s:z:0pfi:S::qvhV";

static const struct option long_options[] = {
    { "memory", required_argument, NULL, 'm' },
    { "dir", required_argument, NULL, 'd' },
    { "name", required_argument, NULL, OPT_NAME },
    { "persist", optional_argument, NULL, 'P' },
    { "sync", required_argument, NULL, 'y' },
    { "drain", no_argument, NULL, OPT_DRAIN },
    { "fill", no_argument, NULL, OPT_FILL },
    { "max-disk", required_argument, NULL, OPT_MAX_DISK },
    { "file-size", required_argument, NULL, 's' },
    { "full", required_argument, NULL, OPT_FULL },
    { "compress", required_argument, NULL, 'z' },
    { "compress-threads", required_argument, NULL, OPT_COMPRESS_THREADS },
    { "decompress-threads", required_argument, NULL, OPT_DECOMPRESS_THREADS },
    { "null", no_argument, NULL, '0' },
    { "max-record", required_argument, NULL, OPT_MAX_RECORD },
    { "long-records", required_argument, NULL, OPT_LONG_RECORDS },
    { "progress", no_argument, NULL, 'p' },
    { "force", no_argument, NULL, 'f' },
    { "interval", required_argument, NULL, 'i' },
    { "stats", optional_argument, NULL, 'S' },
    { "quiet", no_argument, NULL, 'q' },
    { "verbose", no_argument, NULL, 'v' },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    { NULL, 0, NULL, 0 },
};

struct word {
    const char *word;
    uint32_t value;
};

static const struct word full_words[] = {
    { "block", HOPPER_FULL_BLOCK },
    { "drop-new", HOPPER_FULL_DROP_NEWEST },
    { "drop-old", HOPPER_FULL_DROP_OLDEST },
    { "fail", HOPPER_FULL_REFUSE },
    { NULL, 0 },
};
static const struct word long_words[] = {
    { "error", LINES_REFUSE }, { "split", LINES_SPLIT }, { "truncate", LINES_TRUNCATE }, { NULL, 0 }
};
static const struct word persist_words[] = { { "crash", HOPPER_SURVIVE_CRASH },
                                             { "power-loss", HOPPER_SURVIVE_POWER_LOSS },
                                             { NULL, 0 } };
static const struct word books_words[]   = { { "text", BOOKS_TEXT }, { "json", BOOKS_JSON }, { NULL, 0 } };

static int hint(void)
{
    fputs("Try 'hopper-cat --help'\n", stderr);
    return STATUS_USAGE;
}

#if defined __GNUC__
__attribute__((format(printf, 1, 2)))
#endif
static int
mistake(const char *format, ...)
{
    va_list list;

    fputs("hopper-cat: ", stderr);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    return hint();
}

/* The value of TEXT among WORDS; the words themselves are the error message. */
static int take_word(const char *option, const struct word *words, const char *text, uint32_t *valuep)
{
    char known[128] = "";
    size_t len      = 0;

    for (const struct word *word = words; word->word != NULL; word++) {
        if (strcmp(text, word->word) == 0) {
            *valuep = word->value;
            return -1;
        }
        len += (size_t)snprintf(known + len, sizeof known - len, "%s%s", len > 0 ? ", " : "", word->word);
    }
    return mistake("%s: '%s' is not one of %s", option, text, known);
}

/* What an option takes: sizes from LEAST to MOST, and percent of WHOLE unless that is 0. The texts say the same. */
struct range {
    const char *option;
    const char *example;
    uint64_t whole;
    uint64_t least;
    uint64_t most;
    const char *least_text;
    const char *most_text;
};

/* TEXT was refused: is it a size all the same, but one beyond 64 bits or 100%? One of a smaller number is taken
 * then. */
static bool is_too_large(const char *text, uint64_t whole)
{
    size_t digits = strspn(text, "0123456789");
    char smaller[32];
    uint64_t bytes;

    snprintf(smaller, sizeof smaller, "1%s", text + digits);
    return digits > 0 && strlen(text + digits) < sizeof smaller - 1 &&
           (size_parse(smaller, whole, &bytes) == 0 || strcmp(smaller, "1") == 0);
}

static int take_size(const struct range *range, const char *text, uint64_t *bytesp)
{
    uint64_t bytes;
    bool is_taken = size_parse(text, range->whole, &bytes) == 0;

    if (!is_taken && !is_too_large(text, range->whole))
        return mistake("%s: '%s' is not a size such as %s", range->option, text, range->example);
    if (!is_taken || bytes > range->most)
        return mistake("%s: %s is too large; %s to %s is allowed", range->option, text, range->least_text,
                       range->most_text);
    if (bytes < range->least)
        return mistake("%s: %s is too small; %s to %s is allowed", range->option, text, range->least_text,
                       range->most_text);
    *bytesp = bytes;
    return -1;
}

static uint64_t ram_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);

    return pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : 0;
}

static int take_memory(const char *text, struct args *args)
{
    const struct range range = {
        "-m",   "4096K, 1.5G, 10MB or 5%",         ram_bytes(), HOPPER_MEMORY_BYTES_MIN, MEMORY_BYTES_MAX,
        "128K", MEMORY_BYTES_MAX_TEXT " (or 100%)"
    };

    return take_size(&range, text, &args->memory_bytes);
}

static int take_max_disk(const char *text, struct args *args)
{
    static const struct range range = {
        "--max-disk", "64K, 1.5G or 10MB", 0, HOPPER_DISK_BYTES_MIN, FILE_SYSTEM_BYTES_MAX, "64K", "4194303T"
    };

    return take_size(&range, text, &args->disk_bytes);
}

static int take_file_size(const char *text, struct args *args)
{
    static const struct range range = { "-s",      "4096, 64K, 1.5G or 10MB", 0, 4096, FILE_SYSTEM_BYTES_MAX, "4096",
                                        "4194303T" };

    return take_size(&range, text, &args->file_bytes);
}

static int take_max_record(const char *text, struct args *args)
{
    static const struct range range = { "--max-record",       "4096, 64K, 1.5G or 10MB", 0, 1, RECORD_BYTES_MAX, "1",
                                        RECORD_BYTES_MAX_TEXT };

    return take_size(&range, text, &args->record_bytes_max);
}

static int take_name(const char *text, struct args *args)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len                  = strlen(text);

    if (len < 1 || len > 200 || strspn(text, allowed) != len || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return mistake("--name: '%s' is not 1 to 200 of the characters A-Z a-z 0-9 . _ -", text);
    args->name = text;
    return -1;
}

static int take_level(const char *text, struct args *args)
{
    if (text[0] < '0' || text[0] > '9' || text[1] != '\0') return mistake("-z: '%s' is not a level from 0 to 9", text);
    args->compression = text[0] == '0' ? HOPPER_COMPRESSION_NONE : (uint32_t)(text[0] - '0');
    return -1;
}

static int take_threads(const char *option, const char *text, uint32_t *threadsp)
{
    if ((text[0] != '0' && text[0] != '1') || text[1] != '\0') return mistake("%s: '%s' is not 0 or 1", option, text);
    *threadsp = (uint32_t)(text[0] - '0');
    return -1;
}

static int take_interval(const char *text, struct args *args)
{
    if (seconds_parse(text, &args->interval_ms) == 0) return -1;
    return mistake("-i: '%s' is not a number of seconds from 0.001 to 31622400, such as 10 or 0.5", text);
}

static int take_persist(const char *text, struct args *args)
{
    args->survive = HOPPER_SURVIVE_CRASH;
    if (text == NULL) return -1;
    return take_word("-P", persist_words, *text == '=' ? text + 1 : text, &args->survive);
}

static int take_sync(const char *text, struct args *args)
{
    uint64_t ms;

    if (seconds_parse(text, &ms) != 0 || ms > SYNC_MS_MAX)
        return mistake("-y: '%s' is not a number of seconds from 0.001 to 86400, such as 1 or 0.5", text);
    args->sync_ms = (uint32_t)ms;
    return -1;
}

static int take_books(const char *text, struct args *args)
{
    uint32_t form = BOOKS_TEXT;
    int status;

    if (text != NULL && *text == '=') text++; /* -S=json, written like the long form */
    if (text != NULL && (status = take_word("-S", books_words, text, &form)) != -1) return status;
    args->books = (enum books_form)form;
    return -1;
}

static int take_long_records(const char *text, struct args *args)
{
    uint32_t what = LINES_REFUSE;
    int status    = take_word("--long-records", long_words, text, &what);

    args->long_records = (enum lines_long)what;
    return status;
}

/* One option. -1 to go on, else the status to exit with. */
static int take_option(int option, const char *value, struct args *args)
{
    switch (option) {
    case 'm': return take_memory(value, args);
    case 'd': args->dir = value; return *value != '\0' ? -1 : mistake("-d: the name of the directory is empty");
    case OPT_NAME: return take_name(value, args);
    case OPT_MAX_DISK: return take_max_disk(value, args);
    case 'P': return take_persist(value, args);
    case 'y': return take_sync(value, args);
    case OPT_DRAIN: args->only_drains = true; return -1;
    case OPT_FILL: args->only_fills = true; return -1;
    case 's': return take_file_size(value, args);
    case OPT_FULL: return take_word("--full", full_words, value, &args->when_full);
    case 'z': return take_level(value, args);
    case OPT_COMPRESS_THREADS: return take_threads("--compress-threads", value, &args->compress_threads);
    case OPT_DECOMPRESS_THREADS: return take_threads("--decompress-threads", value, &args->decompress_threads);
    case '0': args->terminator = '\0'; return -1;
    case OPT_MAX_RECORD: return take_max_record(value, args);
    case OPT_LONG_RECORDS: return take_long_records(value, args);
    case 'p': args->shows_progress = true; return -1;
    case 'f': args->forces_progress = true; return -1;
    case 'i': return take_interval(value, args);
    case 'S': return take_books(value, args);
    case 'q': args->is_quiet = true; return -1;
    case 'v': args->is_verbose = true; return -1;
    case 'h': return usage_help();
    case 'V': return usage_version();
    default: return hint(); /* getopt_long() has told what is wrong */
    }
}

/* What a queue that stays needs on disk beside its records: STATE, and memory as a file, twice. */
static int check_disk(const struct args *args)
{
    bool is_crash   = args->survive == HOPPER_SURVIVE_CRASH;
    uint64_t memory = args->memory_bytes != 0 ? args->memory_bytes : HOPPER_MEMORY_BYTES_DEFAULT;
    uint64_t disk   = args->disk_bytes != 0 ? args->disk_bytes : HOPPER_DISK_BYTES_DEFAULT;
    uint64_t least  = HOPPER_DISK_BYTES_MIN + STATE_FILE_BYTES + (is_crash ? 2 * memory : 0);

    if (disk >= least) return -1;
    if (is_crash)
        return mistake("--max-disk: with -P at least %" PRIu64 " bytes (80K, and twice what -m allows, because memory "
                       "is kept in a file): raise --max-disk or lower -m",
                       least);
    return mistake("--max-disk: with -P at least %" PRIu64 " bytes (80K)", least);
}

static bool has_memory(const struct args *args, uint64_t least)
{
    return args->memory_bytes == 0 || args->memory_bytes >= least;
}

static int check_threads(const struct args *args)
{
    if (args->compress_threads > 0 && args->survive == HOPPER_SURVIVE_POWER_LOSS)
        return mistake("--compress-threads: not with -P power-loss, where what takes lines in writes them as well");
    if (args->decompress_threads > 0 && args->when_full == HOPPER_FULL_DROP_OLDEST)
        return mistake("--decompress-threads: not with --full=drop-old, which removes files that are being read; "
                       "block, drop-new or fail is allowed");
    if (args->decompress_threads > 0 && !has_memory(args, DECOMPRESS_BYTES))
        return mistake("--decompress-threads: needs at least -m 1M (%" PRIu64 " bytes): raise -m or leave "
                       "--decompress-threads out",
                       DECOMPRESS_BYTES);
    return -1;
}

/* That this process may run on. */
static long cpus(void)
{
#ifdef CPU_COUNT
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return sysconf(_SC_NPROCESSORS_ONLN);
}

/* Where one side of a queue is at work alone, the memory that a thread takes is wanted for little else, and as a rule
 * there is a CPU for it. Not with -P power-loss: on the way in there is none, and on the way back its queue files have
 * blocks too large for the thread's share of 1M. */
static void set_default_threads(struct args *args)
{
    const bool is_alone =
        args->survive == HOPPER_SURVIVE_CRASH && (args->only_fills || args->only_drains) && cpus() > 1;

    if (args->compress_threads == THREADS_NOT_GIVEN)
        args->compress_threads = is_alone && args->only_fills && has_memory(args, COMPRESS_BYTES) &&
                                 args->compression != HOPPER_COMPRESSION_NONE;
    if (args->decompress_threads == THREADS_NOT_GIVEN)
        args->decompress_threads = is_alone && args->only_drains && has_memory(args, DECOMPRESS_BYTES) &&
                                   args->when_full != HOPPER_FULL_DROP_OLDEST; /* refused for -P */
}

/* What the options are together. */
static int check_together(const struct args *args, int operands)
{
    int status;

    if (args->only_drains && args->only_fills) return mistake("--drain and --fill exclude each other");
    if (args->only_drains && operands > 0) return mistake("--drain reads no input, but a FILE is given");
    if (args->sync_ms != 0 && args->survive != HOPPER_SURVIVE_POWER_LOSS)
        return mistake("-y: only with -P power-loss (written -Ppower-loss)");
    if ((status = check_threads(args)) != -1) return status;
    if (args->survive == HOPPER_SURVIVE_NOTHING) {
        if (args->only_drains || args->only_fills)
            return mistake("%s: only with -P: without it the queue does not stay",
                           args->only_drains ? "--drain" : "--fill");
        return -1;
    }
    if (args->dir == NULL) return mistake("-P: the queue needs a directory that stays: -d DIR or HOPPER_DIR");
    if (args->when_full == HOPPER_FULL_DROP_OLDEST)
        return mistake("--full: drop-old would drop what -P is to keep; block, drop-new or fail is allowed");
    if (args->memory_bytes != 0 && args->memory_bytes < HOPPER_MEMORY_BYTES_MIN_SURVIVE)
        return mistake("-m: too small; with -P 256K to " MEMORY_BYTES_MAX_TEXT " (or 100%%) is allowed");
    return check_disk(args);
}

static void set_defaults(struct args *args)
{
    const char *dir = getenv("HOPPER_DIR");

    *args = (struct args){
        .dir                = dir != NULL && *dir != '\0' ? dir : NULL,
        .name               = "default",
        .when_full          = HOPPER_FULL_BLOCK,
        .terminator         = '\n',
        .record_bytes_max   = RECORD_BYTES_MAX_DEFAULT,
        .long_records       = LINES_REFUSE,
        .interval_ms        = 1000,
        .compress_threads   = THREADS_NOT_GIVEN,
        .decompress_threads = THREADS_NOT_GIVEN,
    };
}

int args_parse(int argc, char **argv, struct args *args)
{
    static char standard_input[]       = "-";
    static char *only_standard_input[] = { standard_input, NULL };
    static char program[]              = "hopper-cat";
    int option, status;

    set_defaults(args);
    if (argc > 0) argv[0] = program; /* getopt_long() puts it before its messages */
    while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
        if ((status = take_option(option, optarg, args)) != -1) return status;
    args->files      = optind < argc ? argv + optind : only_standard_input;
    args->file_count = optind < argc ? argc - optind : args->only_drains ? 0 : 1;
    set_default_threads(args);
    return check_together(args, argc - optind);
}
