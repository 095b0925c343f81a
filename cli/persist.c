/* SPDX-License-Identifier: MIT */
/*
 * The words of a queue that stays. That records of earlier runs come first is what it is for, so it is said with -v
 * only; what is a warning is that more comes, or less, than had been left.
 */
#include "persist.h"

#include "report.h"
#include "room.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

void persist_options(const struct args *args, struct hopper_options *options)
{
    struct room room;

    if (args->survive == HOPPER_SURVIVE_NOTHING) return;
    options->survive     = args->survive;
    options->acknowledge = HOPPER_ACKNOWLEDGE_EXPLICIT;
    options->sync        = args->sync_ms != 0 ? HOPPER_SYNC_INTERVAL : HOPPER_SYNC_GROUP;
    options->sync_ms     = args->sync_ms;
    room_init(&room, args);
    if (options->record_bytes_max > room.record_bytes) options->record_bytes_max = room.record_bytes;
}

/* Whether PATH is that of a file beside the queue files, which a channel has one of. */
static bool is_part(const char *path)
{
    static const char *const names[] = { "/STATE", "/MEMORY", "/MEMORY.spare", "/PRODUCERS", "/LOCK" };
    const char *name                 = strrchr(path, '/');

    for (size_t i = 0; name && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

/* One of these files is not what it should be. */
static const char *hint_of_part(const char *path)
{
    struct stat st;

    if (lstat(path, &st) != 0) return "";
    if (S_ISLNK(st.st_mode))
        return " (it is a link, and links are not followed: remove it, or put the file in its place)";
    if (!S_ISREG(st.st_mode)) return " (it is not a plain file: nothing of the queue is in it, remove it)";
    if (st.st_nlink != 1)
        return " (the same file has another name elsewhere: remove this one, or put a copy in its place)";
    if (strcmp(strrchr(path, '/'), "/LOCK") == 0) return " (remove it, if no program has the queue open)";
    return " (\"hopper-queue repair\" on the directory sets it aside and keeps a copy)";
}

const char *persist_hint(const struct args *args, const struct hopper_error *err)
{
    bool is_crash = args->survive == HOPPER_SURVIVE_CRASH;

    if (err->status == HOPPER_EMISMATCH && is_part(err->path)) return hint_of_part(err->path);
    if (err->status == HOPPER_EMISMATCH && args->survive == HOPPER_SURVIVE_NOTHING)
        return " (a queue of -P? Then run with the same -P, or take another --name)";
    if (err->status == HOPPER_EMISMATCH) return " (a queue of another -P? Take that one, or another --name)";
    if (!is_crash) return "";
    if (err->status == HOPPER_ENOSPC || err->sys_errno == ENOSPC || err->sys_errno == EDQUOT)
        return " (-P keeps memory in a file there, with all of its room from the start: make room, or lower -m)";
    if (err->sys_errno == EOPNOTSUPP || err->sys_errno == ENOSYS || err->sys_errno == ENODEV)
        return " (-P needs a file system that can preallocate and map files: choose another directory, or "
               "-Ppower-loss)";
    return "";
}

void persist_tell_recovery(const struct hopper_recovery *found)
{
    if (found->is_new != 0) return;
    report_note("%" PRIu64 " records of earlier runs come first, from number %" PRIu64 " on; the last run %s",
                found->records, found->seq_first, found->was_closed != 0 ? "had ended properly" : "was cut off");
    if (found->memory_records > 0)
        report_note("%" PRIu64 " of them were in the memory of a run that was killed", found->memory_records);
    if (found->torn_bytes > 0)
        report_note("%" PRIu64 " bytes of an unfinished write were cut off file %" PRIu64, found->torn_bytes,
                    found->torn_file);
    if (found->files_foreign > 0)
        report_warning("%" PRIu64 " queue files are not of this queue and were left alone", found->files_foreign);
    if (found->state_was_lost != 0)
        report_warning("the acknowledged position was lost: records that were delivered come again");
    if (found->memory_lost > 0)
        report_warning("at least %" PRIu64 " records were in memory when the machine stopped, and are lost",
                       found->memory_lost);
}

void persist_tell_end(const struct books *books, bool is_meant)
{
    uint64_t staying = books_staying(books);

    if (books->unsent_records > 0)
        report_error("%" PRIu64 " records that were read are not in the queue", books->unsent_records);
    if (staying == 0) return;
    if (is_meant) report_note("%" PRIu64 " records are in the queue", staying);
    else report_warning("%" PRIu64 " records stay in the queue", staying);
}
