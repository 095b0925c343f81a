/* SPDX-License-Identifier: MIT */
/* What this library is. Of zlib it names the version that runs; of ISA-L and libdeflate, which cannot be asked, the one
 * that it was built with. */
#include <pthread.h>
#include <stdio.h>
#include <zlib.h>

#ifdef HPR_ISAL
#include <isa-l.h>
#define STRING_OF(x)        #x
#define VERSION_OF(a, b, c) STRING_OF(a) "." STRING_OF(b) "." STRING_OF(c)
#define ISAL_TEXT           "isa-l " VERSION_OF(ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION) ", "
#else
#define ISAL_TEXT ""
#endif

#ifdef HPR_LIBDEFLATE
#include <libdeflate.h>
#define LIBDEFLATE_TEXT "libdeflate " LIBDEFLATE_VERSION_STRING ", "
#else
#define LIBDEFLATE_TEXT ""
#endif

#include "base.h"

static char text[128];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_text(void)
{
    (void)snprintf(text, sizeof text, "libhopper %s, format %d, deflate " ISAL_TEXT LIBDEFLATE_TEXT "zlib %s",
                   HOPPER_VERSION, HOPPER_FORMAT_VERSION, zlibVersion());
}

const char *hopper_version(void)
{
    (void)pthread_once(&once, make_text);
    return text;
}
