/* SPDX-License-Identifier: MIT */
/* See finding.h. */
#include "finding.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const severity_words[] = { "note", "unsure", "damage" };

static void put_json(struct json *j, const struct finding *f)
{
    json_open_object(j, NULL);
    json_string(j, "severity", severity_words[f->severity]);
    json_string(j, "what", fault_word(f->fault));
    json_string(j, "text", f->text ? f->text : fault_text(f->fault));
    if (f->object) json_string(j, "object", f->object);
    if (f->number > 0) json_number(j, "file", f->number);
    if (f->has_offset) json_number(j, "offset", f->offset);
    if (f->bytes > 0) json_number(j, "bytes", f->bytes);
    if (f->has_records) json_number(j, f->is_at_most ? "records_at_most" : "records", f->records);
    if (f->first_seq > 0) json_number(j, "first_sequence", f->first_seq);
    if (f->res != 0) json_string(j, "error", strerror(-f->res));
    json_close(j);
}

static void put_text(const struct finding *f)
{
    (void)printf("%s: ", severity_words[f->severity]);
    if (f->object) (void)printf("%s, ", f->object);
    if (f->number > 0) (void)printf("file %" PRIu64 ", ", f->number);
    if (f->has_offset) (void)printf("offset %" PRIu64 ", ", f->offset);
    if (f->fault != FAULT_NONE) (void)printf("%s: ", fault_word(f->fault));
    (void)fputs(f->text ? f->text : fault_text(f->fault), stdout);
    if (f->res != 0) (void)printf(": %s", strerror(-f->res));
    if (f->bytes > 0) (void)printf(" (%" PRIu64 " bytes)", f->bytes);
    if (f->has_records) {
        (void)printf("; %s%" PRIu64 " records lost", f->is_at_most ? "at most " : "", f->records);
        if (f->first_seq > 0) (void)printf(", from number %" PRIu64 " on", f->first_seq);
    }
    (void)putchar('\n');
}

void finding_put(struct findings *all, const struct finding *f)
{
    switch (f->severity) {
    case SEVERITY_NOTE: all->notes++; break;
    case SEVERITY_UNSURE: all->unsure++; break;
    case SEVERITY_DAMAGE: all->damage++; break;
    }
    if (f->has_records && !f->is_at_most && f->severity != SEVERITY_NOTE) all->lost += f->records;
    if (all->json) put_json(all->json, f);
    else put_text(f);
}
