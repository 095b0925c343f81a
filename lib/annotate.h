/* SPDX-License-Identifier: MIT */
/* What helgrind and drd cannot see by themselves: that an atomic store and the load that reads it order what is around
 * them. Nothing unless configured with --enable-valgrind. */
#ifndef HPR_ANNOTATE_H
#define HPR_ANNOTATE_H

#if defined HPR_VALGRIND
#include <valgrind/helgrind.h>
#define HPR_ORDERS_BEFORE(atomic) ANNOTATE_HAPPENS_BEFORE(atomic) /* on the line before the store */
#define HPR_ORDERS_AFTER(atomic)  ANNOTATE_HAPPENS_AFTER(atomic)  /* on the line after the load */
#define HPR_IS_ATOMIC(atomic)     VALGRIND_HG_DISABLE_CHECKING(atomic, sizeof *(atomic))
#else
#define HPR_ORDERS_BEFORE(atomic) ((void)0)
#define HPR_ORDERS_AFTER(atomic)  ((void)0)
#define HPR_IS_ATOMIC(atomic)     ((void)0)
#endif

#endif
