/* SPDX-License-Identifier: MIT */
/* See fuzz_base.h. Each script is a few sends, receives and acknowledgements with the real library on a platform in
 * memory; what is then on its disk, with the channel still open or closed, is the base. */
#include "fuzz_base.h"

#include <stdlib.h>
#include <string.h>

struct script {
    uint16_t first, bytes;    /* records sent, and how long */
    uint16_t received, until; /* of them received, and acknowledged up to */
    uint16_t second;          /* and then so many more */
    uint8_t is_numbered;      /* in turn by producers 1 and 2 */
    uint8_t is_deflated;
    uint8_t is_even; /* all are as long, and stand bare in blocks */
    uint8_t runs; /* closed and opened again between the records */
};

static const struct script scripts[FUZZ_BASE_SCRIPTS] = {
    { .first = 0 },
    { .first = 1, .bytes = 100 },
    { .first = 5, .bytes = 100, .received = 3, .until = 2 },
    { .first = 9000, .bytes = 12, .received = 20, .until = 15, .second = 40, .is_even = 1 },
    { .first = 6, .bytes = 60, .received = 6, .until = 5, .is_numbered = 1 },
    { .first = 6, .bytes = 60, .received = 6, .until = 6, .second = 3, .is_numbered = 1, .runs = 1 },
    { .first = 70, .bytes = 4000, .second = 4 },
    { .first = 70, .bytes = 4000, .received = 20, .until = 18, .second = 10 },
    { .first = 70, .bytes = 4000, .received = 70, .until = 70, .second = 3, .is_numbered = 1 },
    { .first = 70, .bytes = 4000, .received = 9, .until = 9, .second = 3, .is_numbered = 1, .is_deflated = 1 },
    { .first = 60, .bytes = 4000, .received = 40, .until = 30, .second = 30, .is_numbered = 1, .runs = 1 },
    { .first = 3, .bytes = 30000, .received = 1, .until = 1, .second = 2 },
    { .first = 40, .bytes = 9, .received = 20, .until = 20, .second = 20, .is_deflated = 1 },
    { .first = 12, .bytes = 1500, .received = 12, .until = 12, .is_numbered = 1 },
    { .first = 12, .bytes = 1500, .received = 5, .until = 4, .second = 4, .runs = 1 },
    { .first = 200, .bytes = 1200, .received = 30, .until = 30, .second = 50, .is_numbered = 1 },
};

void fuzz_base_options(struct hopper_options *options, uint32_t survive, unsigned script)
{
    *options              = (struct hopper_options)HOPPER_OPTIONS_INIT;
    options->memory_bytes = HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    options->disk_bytes   = 2 << 20;
    options->file_bytes   = 32 << 10;
    options->when_full    = HOPPER_FULL_REFUSE;
    options->acknowledge  = HOPPER_ACKNOWLEDGE_EXPLICIT;
    options->compression  = scripts[script].is_deflated ? 1 : HOPPER_COMPRESSION_NONE;
    options->survive      = survive;
}

const uint8_t *fuzz_base_record(uint64_t seq, unsigned script, size_t *lenp)
{
    *lenp = scripts[script].bytes + (scripts[script].is_even ? 0 : (size_t)(seq % 5));
    return fuzz_content(seq, *lenp);
}

struct run {
    struct mem_platform *mem;
    struct fuzz_base *base;
    unsigned script;
    hopper_sender *snd[FUZZ_BASE_PRODUCERS];
    hopper_receiver *rcv;
};

static void open_run(struct run *run, uint32_t survive)
{
    struct hopper_options options;
    hopper_status st;

    fuzz_base_options(&options, survive, run->script);
    options.platform = mem_platform_table(run->mem);
    st               = hopper_open("/spool", "q", &options, &run->snd[0], &run->rcv, NULL);
    if (st == HOPPER_OK) st = hopper_sender_clone(run->snd[0], &run->snd[1]);
    for (uint64_t i = 0; i < FUZZ_BASE_PRODUCERS && scripts[run->script].is_numbered && st == HOPPER_OK; i++) {
        uint64_t last;

        st = hopper_sender_set_producer(run->snd[i], i + 1, &last);
        FUZZ_REQUIRE(st != HOPPER_OK || last == run->base->number[i], "producer %d", (int)i);
    }
    FUZZ_REQUIRE(st == HOPPER_OK, "a base cannot be opened: %s", hopper_status_name(st));
}

static void close_run(struct run *run)
{
    hopper_sender_close(run->snd[0]);
    hopper_sender_close(run->snd[1]);
    hopper_receiver_close(run->rcv);
}

static void send_records(struct run *run, unsigned count)
{
    struct fuzz_base *base = run->base;

    while (count-- > 0) {
        const unsigned p = base->accepted & 1;
        size_t len;
        const uint8_t *bytes = fuzz_base_record(base->accepted + 1, run->script, &len);
        hopper_status st     = scripts[run->script].is_numbered
                                   ? hopper_send_numbered(run->snd[p], base->number[p] + 1, bytes, len, HOPPER_NOW)
                                   : hopper_send(run->snd[p], bytes, len);

        FUZZ_REQUIRE(st == HOPPER_OK, "a base's send: %s", hopper_status_name(st));
        base->accepted++;
        base->number[p] += scripts[run->script].is_numbered;
    }
}

static void take_files(struct fuzz_base *base, struct mem_platform *mem)
{
    char names[FUZZ_BASE_FILES_MAX][256], path[300] = "/spool/q/";
    const int count = mem_list(mem, "/spool/q", names, FUZZ_BASE_FILES_MAX);

    for (int i = 0; i < count; i++) {
        struct fuzz_base_file *file = &base->file[base->count];
        void *data                  = NULL;

        if (strcmp(names[i], "LOCK") == 0) continue;
        FUZZ_REQUIRE(strlen(names[i]) < sizeof file->name, "a base's file is called %s", names[i]);
        strcpy(file->name, names[i]);
        strcpy(path + strlen("/spool/q/"), names[i]);
        FUZZ_REQUIRE(mem_read_file(mem, path, &data, &file->len) == 0, "a base's file cannot be read");
        file->bytes = data;
        file->room  = file->len;
        base->count++;
    }
}

static void make(struct fuzz_base *base, struct mem_platform *mem, uint32_t survive, unsigned script, int is_killed)
{
    const struct script *s = &scripts[script];
    struct run run         = { .mem = mem, .base = base, .script = script };
    struct hopper_record rec;

    mem_platform_reset(mem);
    FUZZ_REQUIRE(mem_mkdir(mem, "/spool", 0700) == 0, "no directory");
    open_run(&run, survive);
    send_records(&run, s->first);
    for (unsigned i = 0; i < s->received; i++)
        FUZZ_REQUIRE(hopper_receive(run.rcv, &rec, HOPPER_NOW) == HOPPER_OK, "a base's receive");
    if (s->until > 0)
        FUZZ_REQUIRE(hopper_acknowledge_until(run.rcv, s->until) == HOPPER_OK, "a base's acknowledgement");
    base->acknowledged = s->until;
    if (s->runs > 0) {
        close_run(&run);
        open_run(&run, survive);
    }
    send_records(&run, s->second);
    if (is_killed) take_files(base, mem);
    close_run(&run);
    if (!is_killed) take_files(base, mem);
    mem_platform_reset(mem);
    base->is_made = 1;
}

const struct fuzz_base *fuzz_base_get(struct mem_platform *mem, uint32_t survive, unsigned script, int is_killed)
{
    static struct fuzz_base bases[2][FUZZ_BASE_SCRIPTS][2]; /* constant once made: no input can tell */
    struct fuzz_base *base = &bases[survive == HOPPER_SURVIVE_CRASH][script][is_killed != 0];

    if (!base->is_made) make(base, mem, survive, script, is_killed);
    return base;
}
