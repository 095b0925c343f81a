/* SPDX-License-Identifier: MIT */
/* How each Check program of tests/ runs its suite: verbose about failures only, unless CK_VERBOSITY says otherwise. */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include <check.h>
#include <stdint.h>

/* As Check's own, but free when all is well: those note each assertion in a file, on which sweeps of millions of
 * assertions would spend half their time. Arguments are evaluated once. */
#define require(condition, ...)                      \
    do {                                             \
        if (!(condition)) ck_abort_msg(__VA_ARGS__); \
    } while (0)
#define require_that(condition) require(condition, "not so: %s", #condition)
#define require_int(got, wanted)                                                                         \
    do {                                                                                                 \
        const intmax_t require_got = (intmax_t)(got), require_wanted = (intmax_t)(wanted);               \
        require(require_got == require_wanted, "%s is %jd, not %jd", #got, require_got, require_wanted); \
    } while (0)
#define require_eq(a, b)                                                                       \
    do {                                                                                       \
        const uintmax_t require_a = (a), require_b = (b);                                      \
        require(require_a == require_b, "%s is %ju, %s is %ju", #a, require_a, #b, require_b); \
    } while (0)
#define require_le(a, b)                                                                                        \
    do {                                                                                                        \
        const uintmax_t require_a = (a), require_b = (b);                                                       \
        require(require_a <= require_b, "%s is %ju, more than %s, which is %ju", #a, require_a, #b, require_b); \
    } while (0)

static inline int suite_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

#endif
