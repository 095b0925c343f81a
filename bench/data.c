/* SPDX-License-Identifier: MIT */
/*
 * The records of the overflow work, made from a seed before any clock runs: the same on every machine.
 *
 * "log": five access-log lines to one line of syslog, about 220 bytes in the mean. Addresses, paths, sizes and times
 * vary as they do on a web server: few of some, many of others; zlib's level 1 makes it about a quarter, as it does
 * with real logs. "int": counters of eight bytes. "json": events of a service as objects, about 300 bytes, with the
 * same keys in each. "packed": 64 to 2047 bytes that nothing makes smaller, as compressed or encrypted data are.
 */
#include "bench.h"

#include <stdlib.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof *(array))
#define LINE_MAX_BYTES    2048

static const char *const agents[] = {
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:125.0) Gecko/20100101 Firefox/125.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "curl/7.88.1",
    "Debian APT-HTTP/1.3 (2.6.1)",
    "ExampleBot/2.1 (+https://bot.example.net/about)"
};
static const char *const paths[] = { "/",          "/search?q=",     "/static/app-",          "/api/v2/items/",
                                     "/articles/", "/images/thumb/", "/login?next=/account/", "/feed.xml?page=" };
static const char *const words[] = {
    "harbour", "winter", "cable", "recipe",  "market", "bicycle", "garden", "letter",
    "river",   "engine", "paper", "concert", "budget", "island",  "camera", "history"
};
static const char *const hosts[] = { "web01", "web02", "web03", "db01", "mail", "gw" };

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned below(uint64_t *state, unsigned limit)
{
    return (unsigned)((random_next(state) >> 32) * limit >> 32);
}

/* Small numbers often, large ones sometimes: visitors, pages and the like. */
static unsigned skewed(uint64_t *state, unsigned limit)
{
    return below(state, below(state, limit) + 1);
}

static size_t access_line(char *line, uint64_t *state, unsigned second)
{
    int len = snprintf(line, LINE_MAX_BYTES, "%u.%u.%u.%u - - [12/Mar/2024:%02u:%02u:%02u +0000] ",
                       192 + skewed(state, 12), skewed(state, 8), skewed(state, 64), below(state, 256),
                       second / 3600 % 24, second / 60 % 60, second % 60);

    len += snprintf(line + len, LINE_MAX_BYTES / 2, "\"%s %s%u-%s-%s HTTP/1.1\" %u %u ",
                    below(state, 12) == 0 ? "POST" : "GET", paths[below(state, ARRAY_SIZE(paths))], skewed(state, 5000),
                    words[below(state, ARRAY_SIZE(words))], words[skewed(state, ARRAY_SIZE(words))],
                    below(state, 20) == 0 ? 404 : 200, skewed(state, 60000));
    len +=
        snprintf(line + len, LINE_MAX_BYTES / 2, "\"https://www.example.org%s%u\" \"%s\" %u.%03u %016llx",
                 paths[skewed(state, ARRAY_SIZE(paths))], skewed(state, 300), agents[skewed(state, ARRAY_SIZE(agents))],
                 below(state, 40) / 36, skewed(state, 1000), (unsigned long long)random_next(state));
    return (size_t)len;
}

static void system_event(char *event, size_t room, uint64_t *state, unsigned second)
{
    unsigned a = 1000 + skewed(state, 30000);
    unsigned b = below(state, 1000000);
    unsigned c = below(state, 256);
    unsigned d = below(state, 256);

    switch (below(state, 5)) {
    case 0:
        snprintf(event, room, "sshd[%u]: Failed password for invalid user user%u from 198.51.100.%u port %u ssh2", a,
                 b % 90, c, 1024 + b % 60000);
        break;
    case 1:
        snprintf(event, room, "kernel: [%u.%06u] nf_conntrack: table entry for 10.0.%u.%u expired", second, b, c, d);
        break;
    case 2:
        snprintf(event, room, "postfix/smtpd[%u]: %06X: client=mx%u.example.org[203.0.113.%u]", a, b, c % 8, d);
        break;
    case 3: snprintf(event, room, "systemd[1]: run-%u-scope-%u.scope: Succeeded after %u.%us.", a, b, c, d); break;
    default: snprintf(event, room, "CRON[%u]: (user%u) CMD (job %u --shard=%u)", a, b % 20, c, d % 16); break;
    }
}

static size_t system_line(char *line, uint64_t *state, unsigned second)
{
    char event[256];

    system_event(event, sizeof event, state, second);
    return (size_t)snprintf(line, LINE_MAX_BYTES, "Mar 12 %02u:%02u:%02u %s %s", second / 3600 % 24, second / 60 % 60,
                            second % 60, hosts[skewed(state, ARRAY_SIZE(hosts))], event);
}

static size_t log_make(char *record, uint64_t *state, uint64_t number)
{
    unsigned second = (unsigned)(number / 400);

    return below(state, 6) == 0 ? system_line(record, state, second) : access_line(record, state, second);
}

static size_t int_make(char *record, uint64_t *state, uint64_t number)
{
    (void)state;
    bench_store(record, number);
    return sizeof number;
}

static size_t json_make(char *record, uint64_t *state, uint64_t number)
{
    static const char *const levels[] = { "debug", "info", "info", "info", "warn", "error" };
    static const char *const verbs[]  = { "created", "updated", "viewed", "removed", "paid" };
    unsigned second                   = (unsigned)(number / 300);
    int len;

    len = snprintf(record, LINE_MAX_BYTES,
                   "{\"time\":\"2024-03-12T%02u:%02u:%02u.%03uZ\",\"level\":\"%s\",\"service\":\"%s\",\"host\":\"%s\","
                   "\"trace\":\"%016llx\",\"user\":{\"id\":%u,\"country\":\"%c%c\"},",
                   second / 3600 % 24, second / 60 % 60, second % 60, below(state, 1000),
                   levels[below(state, ARRAY_SIZE(levels))], words[skewed(state, ARRAY_SIZE(words))],
                   hosts[skewed(state, ARRAY_SIZE(hosts))], (unsigned long long)random_next(state),
                   skewed(state, 100000), 'A' + (char)skewed(state, 26), 'A' + (char)skewed(state, 26));
    len +=
        snprintf(record + len, LINE_MAX_BYTES / 2,
                 "\"event\":\"%s.%s\",\"duration_ms\":%u.%02u,\"bytes\":%u,\"cached\":%s,\"tags\":[\"%s\",\"%s\"]}",
                 words[skewed(state, ARRAY_SIZE(words))], verbs[skewed(state, ARRAY_SIZE(verbs))], skewed(state, 900),
                 below(state, 100), skewed(state, 70000), below(state, 4) == 0 ? "true" : "false",
                 words[below(state, ARRAY_SIZE(words))], words[skewed(state, ARRAY_SIZE(words))]);
    return (size_t)len;
}

static size_t packed_make(char *record, uint64_t *state, uint64_t number)
{
    size_t len = 64 + below(state, 2048 - 64);

    (void)number;
    for (size_t at = 0; at < len; at += sizeof(uint64_t)) bench_store(record + at, random_next(state));
    return len;
}

static const struct {
    const char *name;
    size_t (*make)(char *record, uint64_t *state, uint64_t number);
    size_t len_min;
} kinds[] = {
    { "log", log_make, 64 }, { "int", int_make, 8 }, { "json", json_make, 128 }, { "packed", packed_make, 64 }
};

static size_t kind_find(const char *name)
{
    size_t kind = 0;

    while (kind < ARRAY_SIZE(kinds) && strcmp(name, kinds[kind].name) != 0) kind++;
    return kind;
}

bool bench_data_known(const char *name)
{
    return kind_find(name) < ARRAY_SIZE(kinds);
}

void bench_data_make(struct bench_data *data, const struct bench_work *work)
{
    uint64_t state     = work->seed;
    size_t kind        = kind_find(work->data);
    size_t records_max = (size_t)(work->bytes / kinds[kind].len_min) + 2;

    *data         = (struct bench_data){ 0 };
    data->text    = bench_alloc((size_t)work->bytes + LINE_MAX_BYTES, 1);
    data->records = bench_alloc(records_max, sizeof *data->records);
    while (data->bytes < work->bytes && data->count < records_max) {
        char *record = data->text + data->bytes;
        size_t len   = kinds[kind].make(record, &state, data->count);

        data->records[data->count++] = (struct iovec){ record, len };
        data->digest                 = bench_digest(data->digest, record, len);
        data->sum                    = bench_work_on(data->sum, record, len, work->work_passes);
        data->bytes += len;
    }
}

void bench_data_free(struct bench_data *data)
{
    free(data->records);
    free(data->text);
    *data = (struct bench_data){ 0 };
}

/* ---- text for messages that may have to be compressed ---- */

#define TEXT_BYTES ((uint64_t)4 << 20)

char *bench_group_alloc(const struct bench_work *work, uint64_t first)
{
    static struct bench_data text; /* made by the first caller, who is alone */
    size_t                   len = bench_group_max(work) * work->size;
    char                    *group;

    if (work->kind != BENCH_BURST) return bench_alloc(len, 1);
    if (text.text == NULL) {
        struct bench_work lines = *work;

        lines.data = "log";
        lines.bytes = TEXT_BYTES;
        bench_data_make(&text, &lines);
    }
    group = malloc(len);
    if (group == NULL) bench_die("malloc", "no memory");
    if (work->mix) len = bench_group_max(work) * BENCH_MIX_MEAN * 5 / 4; /* what most groups have */
    memcpy(group, text.text + first * BENCH_MIX_MEAN % (TEXT_BYTES - len), len);
    return group;
}
