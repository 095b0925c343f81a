/* SPDX-License-Identifier: MIT */
/* What can be wrong in a queue's directory. The words are the ones of tests/golden/reader.h where it has one. */
#ifndef QUEUE_FAULT_H
#define QUEUE_FAULT_H

enum fault {
    FAULT_NONE,
    FAULT_HEADER,     /* no good header where one should be */
    FAULT_PAYLOAD,    /* a payload's checksum is wrong, or it does not inflate to what its header says */
    FAULT_CODEC,      /* a codec that version 1 does not know */
    FAULT_RAW_LENGTH, /* a raw length that the stored bytes cannot give */
    FAULT_RECORDS,    /* fewer records in a payload than its header says */
    FAULT_COUNT,      /* a file's records are not as many as the headers around them say */
    FAULT_ORDER,      /* a frame's sequence number is below that of its file */
    FAULT_MISSING,    /* records or a file that should be there */
    FAULT_MAGIC,      /* something else under the name of a queue file */
    FAULT_NO_FILE,    /* no plain file under the name of a queue file */
    FAULT_CHANNEL,    /* a queue file of another channel */
    FAULT_UNREADABLE, /* the system does not let it be read */
    FAULT_VERSION,    /* a newer version of the format */
    FAULT_STATE,      /* no good slot in STATE */
    FAULT_KIND,       /* STATE of another kind of queue than the files */
    FAULT_IN_WAY,     /* no plain file under a name that the library needs */
    FAULT_MEMORY,     /* MEMORY makes no sense */
    FAULT_GONE        /* removed while it was read */
};

/* A lower-case word, such as "raw-length". */
const char *fault_word(enum fault fault);

/* For people, such as "its raw length is more than it can inflate to". */
const char *fault_text(enum fault fault);

#endif
