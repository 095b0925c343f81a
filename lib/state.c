/* SPDX-License-Identifier: MIT */
/* See state.h and docs/format.md. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>

#include "bytes.h"

#define SLOT_STEP 4096 /* a slot to itself in a page: writing one cannot tear the other */
#define CLOSED    1U
#define SEQ_MAX   (UINT64_MAX >> 1) /* no channel lives to see it */

static const unsigned char magic[8] = { 0x89, 'H', 'Q', 'S', '\r', '\n', 0x1a, '\n' };

void hpr_state_put(unsigned char *out, const struct hpr_state *s)
{
    memset(out, 0, HPR_STATE_SLOT_BYTES);
    memcpy(out, magic, sizeof magic);
    hpr_put_u16(out + 8, HOPPER_FORMAT_VERSION);
    hpr_put_u16(out + 10, HPR_STATE_SLOT_BYTES);
    out[12] = s->survive;
    out[13] = s->content;
    hpr_put_u16(out + 14, s->is_closed ? CLOSED : 0);
    memcpy(out + 16, s->channel_id, HPR_CHANNEL_ID_BYTES);
    hpr_put_u64(out + 32, s->generation);
    hpr_put_u64(out + 40, s->passed.seq);
    hpr_put_u64(out + 48, s->passed.records);
    hpr_put_u64(out + 56, s->next_seq);
    hpr_put_u64(out + 64, s->passed.dropped_total);
    hpr_put_u64(out + 72, s->dropped_total);
    for (size_t i = 0; i < HOPPER_GAP_SLOTS; i++) hpr_put_u64(out + 80 + 8 * i, s->passed.gap_records[i]);
    memcpy(out + 208, s->boot_id, sizeof s->boot_id);
    hpr_put_u64(out + 224, s->next_number);
    hpr_put_u32(out + 508, hpr_crc32(0, out, 508));
}

/* A slot with a good checksum may still have been made by somebody who means harm. */
static bool is_sensible(const struct hpr_state *s)
{
    uint64_t sum = s->passed.records;

    for (size_t i = 0; i < HOPPER_GAP_SLOTS; i++)
        if (HPR_ADD_OVERFLOWS(sum, s->passed.gap_records[i], &sum)) return false;
    return sum == s->passed.seq && s->next_seq > s->passed.seq && s->next_seq <= SEQ_MAX &&
           s->dropped_total < s->next_seq && s->passed.dropped_total <= s->dropped_total;
}

enum hpr_file_verdict hpr_state_get(const unsigned char *in, size_t len, struct hpr_state *s)
{
    memset(s, 0, sizeof *s);
    if (len < 10 || memcmp(in, magic, sizeof magic) != 0) return HPR_FILE_FOREIGN;
    if (hpr_get_u16(in + 8) > HOPPER_FORMAT_VERSION) return HPR_FILE_NEWER;
    if (len < HPR_STATE_SLOT_BYTES || hpr_get_u32(in + 508) != hpr_crc32(0, in, 508) ||
        hpr_get_u16(in + 8) != HOPPER_FORMAT_VERSION || hpr_get_u16(in + 10) != HPR_STATE_SLOT_BYTES)
        return HPR_FILE_DAMAGED;
    s->survive   = in[12];
    s->content   = in[13];
    s->is_closed = hpr_get_u16(in + 14) & CLOSED;
    memcpy(s->channel_id, in + 16, HPR_CHANNEL_ID_BYTES);
    s->generation           = hpr_get_u64(in + 32);
    s->passed.seq           = hpr_get_u64(in + 40);
    s->passed.records       = hpr_get_u64(in + 48);
    s->next_seq             = hpr_get_u64(in + 56);
    s->passed.dropped_total = hpr_get_u64(in + 64);
    s->dropped_total        = hpr_get_u64(in + 72);
    for (size_t i = 0; i < HOPPER_GAP_SLOTS; i++) s->passed.gap_records[i] = hpr_get_u64(in + 80 + 8 * i);
    s->next_number = hpr_get_u64(in + 224);
    memcpy(s->boot_id, in + 208, sizeof s->boot_id);
    return is_sensible(s) ? HPR_FILE_OURS : HPR_FILE_DAMAGED;
}

static int make_file(const struct hopper_io *io, int dirfd)
{
    static const unsigned char zeros[HPR_STATE_FILE_BYTES];
    int fd, res;

    fd = io->open_at(io->ctx, dirfd, HPR_STATE_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return fd;
    (void)io->chmod(io->ctx, fd, 0600);
    res = hpr_io_write(io, fd, zeros, sizeof zeros, 0); /* not only reserved: no write to it needs room later */
    if (res == 0) return fd;
    (void)io->unlink_at(io->ctx, dirfd, HPR_STATE_NAME);
    (void)io->close(io->ctx, fd);
    return res;
}

int hpr_state_open(const struct hopper_io *io, int dirfd, bool *is_newp)
{
    struct hopper_io_stat st;
    int fd, res;

    *is_newp = false;
    fd       = io->open_at(io->ctx, dirfd, HPR_STATE_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd == -ENOENT) {
        *is_newp = true;
        return make_file(io, dirfd);
    }
    if (fd < 0) return fd;
    res = io->stat(io->ctx, fd, &st);
    if (res == 0 && (st.kind != HOPPER_IO_FILE || st.links != 1)) res = -EMLINK;
    if (res == 0 && st.bytes < HPR_STATE_FILE_BYTES) res = io->truncate(io->ctx, fd, HPR_STATE_FILE_BYTES);
    if (res == 0) return fd;
    (void)io->close(io->ctx, fd);
    return res;
}

enum hpr_file_verdict hpr_state_read(const struct hopper_io *io, int fd, struct hpr_state *state, int *resp)
{
    enum hpr_file_verdict verdict = HPR_FILE_DAMAGED;

    memset(state, 0, sizeof *state);
    *resp = 0;
    for (uint64_t slot = 0; slot < HPR_STATE_SLOTS; slot++) {
        unsigned char bytes[HPR_STATE_SLOT_BYTES];
        struct hpr_state found;
        size_t got;
        int res = hpr_io_read(io, fd, bytes, sizeof bytes, slot * SLOT_STEP, &got);

        if (res < 0) {
            *resp = res;
            continue;
        }
        switch (hpr_state_get(bytes, got, &found)) {
        case HPR_FILE_NEWER: return HPR_FILE_NEWER;
        case HPR_FILE_OURS:
            if (verdict != HPR_FILE_OURS || found.generation > state->generation) *state = found;
            verdict = HPR_FILE_OURS;
            break;
        case HPR_FILE_DAMAGED:
        case HPR_FILE_FOREIGN: break;
        }
    }
    return verdict;
}

int hpr_state_write(const struct hopper_io *io, int fd, struct hpr_state *state)
{
    unsigned char bytes[HPR_STATE_SLOT_BYTES];
    int res;

    state->generation++;
    hpr_state_put(bytes, state);
    res = hpr_io_write(io, fd, bytes, sizeof bytes, state->generation % HPR_STATE_SLOTS * SLOT_STEP);
    if (res < 0) state->generation--; /* the same slot again: the other one still holds */
    return res;
}
