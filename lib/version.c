/* SPDX-License-Identifier: MIT */
/* What this library is. The deflate engine is the one that runs, not the one it was built with. */
#include <pthread.h>
#include <stdio.h>
#include <zlib.h>

#include "base.h"

static char text[96];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_text(void)
{
    (void)snprintf(text, sizeof text, "libhopper %s, format %d, deflate zlib %s", HOPPER_VERSION, HOPPER_FORMAT_VERSION,
                   zlibVersion());
}

const char *hopper_version(void)
{
    (void)pthread_once(&once, make_text);
    return text;
}
