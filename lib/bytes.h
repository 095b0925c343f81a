/* SPDX-License-Identifier: MIT */
/* Fixed-width integers at a byte address, big-endian as in docs/format.md. No alignment is asked for. */
#ifndef HPR_BYTES_H
#define HPR_BYTES_H

#include <stdint.h>

static inline void hpr_put_u16(unsigned char *p, uint16_t v)
{
    p[0] = (unsigned char)(v >> 8);
    p[1] = (unsigned char)v;
}

static inline void hpr_put_u32(unsigned char *p, uint32_t v)
{
    hpr_put_u16(p, (uint16_t)(v >> 16));
    hpr_put_u16(p + 2, (uint16_t)v);
}

static inline void hpr_put_u64(unsigned char *p, uint64_t v)
{
    hpr_put_u32(p, (uint32_t)(v >> 32));
    hpr_put_u32(p + 4, (uint32_t)v);
}

static inline uint16_t hpr_get_u16(const unsigned char *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t hpr_get_u32(const unsigned char *p)
{
    return (uint32_t)hpr_get_u16(p) << 16 | hpr_get_u16(p + 2);
}

static inline uint64_t hpr_get_u64(const unsigned char *p)
{
    return (uint64_t)hpr_get_u32(p) << 32 | hpr_get_u32(p + 4);
}

#endif
