/* SPDX-License-Identifier: MIT */
/* What is measured of single parts: each beside the least that the same work can cost (parts.c). */
#include "plan_parts.h"

#define PART  "--work part "
#define SMALL "--bytes 8388608 "

const struct plan_peer plan_deque[]     = { { "parts", "--variant deque", true },
                                            { "parts", "--variant copy", true },
                                            { NULL, NULL, false } };
const struct plan_peer plan_packing[]   = { { "parts", "--variant record", true },
                                            { "parts", "--variant msgpack", true },
                                            { NULL, NULL, false } };
const struct plan_peer plan_framing[]   = { { "parts", "--variant frame", true },
                                            { "parts", "--variant codec", true },
                                            { NULL, NULL, false } };
const struct plan_peer plan_splitting[] = { { "lines", "--variant lines", true },
                                            { "lines", "--variant memchr", true },
                                            { NULL, NULL, false } };

const struct plan_column plan_part_columns[] = { { "8 B integers", PART SMALL "--data int", true },
                                                 { "log lines", PART SMALL "--data log", true },
                                                 { "JSON", PART SMALL "--data json", false },
                                                 { NULL, NULL, false } };

const struct plan_column plan_framing_columns[] = { { "log lines, level 1", PART "--data log --level 1", true },
                                                    { "log lines, stored", PART "--data log --level 0", false },
                                                    { "8 B integers, level 1", PART "--data int --level 1", false },
                                                    { NULL, NULL, false } };

const struct plan_column plan_splitting_columns[] = { { "lines of 2 bytes", PART SMALL "--data short", true },
                                                      { "log lines", PART SMALL "--data log", true },
                                                      { "lines of 1 MiB", PART SMALL "--data huge", false },
                                                      { NULL, NULL, false } };
