/* SPDX-License-Identifier: MIT */
/* See fault.h. */
#include "fault.h"

static const struct {
    const char *word;
    const char *text;
} faults[] = {
    [FAULT_NONE]       = { "none", "nothing is wrong" },
    [FAULT_HEADER]     = { "header", "no good header stands here" },
    [FAULT_PAYLOAD]    = { "payload", "the payload's checksum is wrong, or it does not inflate" },
    [FAULT_CODEC]      = { "codec", "compressed in a way that this version does not know" },
    [FAULT_RAW_LENGTH] = { "raw-length", "the raw length is more than the payload can inflate to" },
    [FAULT_RECORDS]    = { "records", "the payload has fewer records than its header says" },
    [FAULT_COUNT]      = { "count", "the number of records is not the one that was written" },
    [FAULT_ORDER]      = { "order", "the frame's sequence number is lower than its file's" },
    [FAULT_MISSING]    = { "missing", "records that were written are not here" },
    [FAULT_MAGIC]      = { "magic", "not a queue file" },
    [FAULT_NO_FILE]    = { "no-file", "not a plain file: whether a queue file was here cannot be told" },
    [FAULT_CHANNEL]    = { "channel", "a queue file of another channel" },
    [FAULT_UNREADABLE] = { "unreadable", "cannot be read" },
    [FAULT_VERSION]    = { "version", "written by a newer version of the format" },
    [FAULT_STATE]      = { "state", "no good slot: how far the receiver had come is not known" },
    [FAULT_KIND]       = { "kind", "of another kind of queue than the files here" },
    [FAULT_IN_WAY]     = { "in-way", "not a plain file of its own: no run can open the queue" },
    [FAULT_MEMORY]     = { "memory", "makes no sense: the records in it are lost" },
    [FAULT_GONE]       = { "gone", "was removed meanwhile" },
};

const char *fault_word(enum fault fault)
{
    return faults[fault].word;
}

const char *fault_text(enum fault fault)
{
    return faults[fault].text;
}
