/* SPDX-License-Identifier: MIT */
/* The fixed parts of a queue file in bytes: file header, frame header, footer. Pure: bytes in, bytes or a verdict out.
 * docs/format.md specifies the layout for strangers; the offsets here are the ones there. */
#ifndef HPR_FRAME_H
#define HPR_FRAME_H

#include "base.h"

#define HPR_FILE_HEADER_BYTES  72
#define HPR_FRAME_HEADER_BYTES 52
#define HPR_FOOTER_BYTES       40
#define HPR_CHANNEL_ID_BYTES   16

enum hpr_codec_id { HPR_CODEC_STORED = 0, HPR_CODEC_DEFLATE = 1 };
#define HPR_CODEC_BARE 2U /* in the file with either of them: struct hpr_frame_header's record_bytes is not 0 */
enum hpr_content { HPR_CONTENT_BYTES = 0, HPR_CONTENT_ITEMS = 1 };

#define HPR_TABLE_HEAD_BYTES 16
#define HPR_TABLE_BYTES_MAX  (HPR_TABLE_HEAD_BYTES + 16 * HOPPER_PRODUCERS_MAX + 4)

struct hpr_file_header {
    uint8_t survive; /* enum hopper_survive of the channel that wrote it */
    uint8_t content; /* enum hpr_content */
    uint8_t channel_id[HPR_CHANNEL_ID_BYTES];
    uint64_t number;    /* of the file */
    uint64_t first_seq; /* no record in the file has a lower one */
    uint64_t
        stream_offset; /* where the file begins: at least the sum of the sizes of all earlier files of the channel */
    uint64_t record_offset; /* sum of the records in all earlier files of the channel */
    uint32_t raw_max;       /* no frame in the file has more raw bytes; 0: not known */
    bool has_table;         /* a table of producers stands behind it */
};

struct hpr_frame_header {
    uint32_t codec;        /* enum hpr_codec_id */
    uint32_t record_bytes; /* of each record, where all are as long and none has a header; 0: each has its own */
    uint32_t records;      /* at least 1; their sequence numbers have no holes */
    uint32_t raw_bytes;    /* of the payload when inflated */
    uint32_t stored_bytes; /* of the payload as it stands in the file */
    uint64_t first_seq;    /* of its first record */
    uint64_t
        dropped_total;    /* records that were never stored because HOPPER_FULL_DROP_NEWEST dropped them, with sequence
                               numbers below first_seq, since the channel was opened */
    uint64_t opened_ms;   /* realtime when the first record came, milliseconds since 1970 */
    uint32_t payload_crc; /* CRC-32 of the stored payload */
};

struct hpr_footer {
    uint64_t records;  /* in all frames of the file */
    uint64_t last_seq; /* of the file's last record, 0 when it has none */
};

/* Where a header stands. It is part of its checksum, so that a copy of it elsewhere is not taken for a header. */
struct hpr_frame_place {
    const uint8_t *channel_id; /* HPR_CHANNEL_ID_BYTES */
    uint64_t number;           /* of the file */
    uint64_t offset;           /* in the file */
};

enum hpr_verdict {
    HPR_VERDICT_FRAME,  /* a good frame header */
    HPR_VERDICT_FOOTER, /* a good footer */
    HPR_VERDICT_TABLE,  /* a good head of a table of producers: h->records entries, h->stored_bytes behind the head */
    HPR_VERDICT_BAD     /* neither */
};

enum hpr_file_verdict {
    HPR_FILE_OURS,    /* a good header of this format version */
    HPR_FILE_NEWER,   /* written by a newer version of the format */
    HPR_FILE_FOREIGN, /* not a queue file */
    HPR_FILE_DAMAGED  /* begins as a queue file does, but fails its checksum */
};

void hpr_frame_put_file_header(unsigned char *out, const struct hpr_file_header *h);
enum hpr_file_verdict hpr_frame_get_file_header(const unsigned char *in, size_t len, struct hpr_file_header *h);

/* Whether the LEN bytes at IN, which are fewer than a file header, may be what was written of one. */
bool hpr_frame_is_beginning(const unsigned char *in, size_t len);

void hpr_frame_put_header(unsigned char *out, const struct hpr_frame_header *h, const struct hpr_frame_place *place);
void hpr_frame_put_footer(unsigned char *out, const struct hpr_footer *f, const struct hpr_frame_place *place);

/* The head of a table of COUNT producers, HPR_TABLE_HEAD_BYTES. */
void hpr_frame_put_table_head(unsigned char *out, uint32_t count, const struct hpr_frame_place *place);

/* Judge the LEN bytes at IN as a frame header or a footer that stands at PLACE. */
enum hpr_verdict hpr_frame_get(const unsigned char *in, size_t len, const struct hpr_frame_place *place,
                               struct hpr_frame_header *h, struct hpr_footer *f);

/* Whether the payload can be as long as the header says: deflate makes at most 258 bytes of two bits. */
static inline bool hpr_frame_is_possible(const struct hpr_frame_header *h)
{
    return h->raw_bytes <= (uint64_t)h->stored_bytes * (h->codec == HPR_CODEC_STORED ? 1 : 1032);
}

/* What the field says in the file. */
static inline uint32_t hpr_frame_codec(const struct hpr_frame_header *h)
{
    return h->codec | (h->record_bytes ? HPR_CODEC_BARE : 0);
}

/* CRC-32 (the one of zlib and gzip) of LEN bytes, going on from CRC, which is 0 at the start. */
uint32_t hpr_crc32(uint32_t crc, const void *data, size_t len);

#endif
