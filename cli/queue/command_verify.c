/* SPDX-License-Identifier: MIT */
/* verify: everything is read and checked; the exit status is the verdict. */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>

#include "examine.h"
#include "say.h"
#include "status.h"

static int verdict_of(const struct findings *all)
{
    return all->damage > 0 ? STATUS_ERROR : all->unsure > 0 ? STATUS_UNSURE : STATUS_OK;
}

static void put_summary(const struct findings *all, const struct examined *sum, int verdict)
{
    static const char *const words[] = { "sound", "damaged", "cannot tell" };
    struct json *j                   = all->json;

    if (!j) {
        (void)printf("%s: files %" PRIu64 ", frames %" PRIu64 ", records %" PRIu64, words[verdict], sum->files,
                     sum->frames, sum->records);
        if (all->damage > 0) (void)printf(", damaged places %" PRIu64, all->damage);
        if (all->lost > 0) (void)printf(", records lost %" PRIu64, all->lost);
        (void)putchar('\n');
        return;
    }
    json_close(j);
    json_number(j, "files", sum->files);
    json_number(j, "frames", sum->frames);
    json_number(j, "records", sum->records);
    json_number(j, "records_lost", all->lost);
    json_number(j, "incomplete_tail_bytes", sum->tail_bytes);
    json_string(j, "verdict", words[verdict]);
    json_close(j);
    json_end_line(j);
}

int command_verify(const struct args *args)
{
    struct payload *payload = payload_new();
    struct findings all     = { 0 };
    int verdict             = STATUS_UNSURE;
    struct examined sum;
    struct place place;
    struct json json;

    if (!payload) {
        say("no memory");
        return STATUS_UNSURE;
    }
    if (place_open(&place, args->dir, args->name) == 0) {
        json_init(&json, stdout);
        if (args->is_json) {
            all.json = &json;
            json_open_object(&json, NULL);
            json_open_array(&json, "findings");
        }
        examine(&place, payload, &all, &sum);
        verdict = verdict_of(&all);
        put_summary(&all, &sum, verdict);
    }
    place_close(&place);
    payload_free(payload);
    return verdict;
}
