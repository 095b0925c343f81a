/* SPDX-License-Identifier: MIT */
/*
 * One parser for "digits, maybe a point and digits, maybe a suffix", in integers throughout: a size must not depend on
 * what a double can hold. Used by args.c; everything that is not exactly the grammar in sizes.h is refused.
 */
#include "sizes.h"

#include <stddef.h>
#include <string.h>

struct decimal {
    uint64_t integer;
    const char *digits; /* after the point */
    size_t digit_count;
    const char *suffix;
};

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int decimal_parse(const char *text, struct decimal *num)
{
    *num = (struct decimal){ 0, NULL, 0, text };
    if (!is_digit(*text)) return -1;
    for (; is_digit(*text); text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (num->integer > (UINT64_MAX - digit) / 10) return -1;
        num->integer = num->integer * 10 + digit;
    }
    if (*text == '.') {
        num->digits = ++text;
        while (is_digit(*text)) text++;
        num->digit_count = (size_t)(text - num->digits);
        if (num->digit_count == 0) return -1;
    }
    num->suffix = text;
    return 0;
}

/* NUM times UNIT, rounded down. From the last decimal to the first: (d_i * UNIT + what came so far) / 10, which is
 * exact however many decimals there are, because rounding down early or late is the same for whole numbers. */
static int decimal_times(const struct decimal *num, uint64_t unit, uint64_t *productp)
{
    uint64_t fraction = 0;

    *productp = 0;
    if (unit > UINT64_MAX / 10) return -1; /* 9 * unit + fraction must fit; fraction is below unit */
    for (size_t i = num->digit_count; i > 0; i--)
        fraction = ((uint64_t)(num->digits[i - 1] - '0') * unit + fraction) / 10;
    if (unit != 0 && num->integer > (UINT64_MAX - fraction) / unit) return -1;
    *productp = num->integer * unit + fraction;
    return 0;
}

static uint64_t suffix_unit(const char *suffix)
{
    static const char letters[] = "KMGT";
    const char *letter;
    uint64_t base, unit = 1;

    if (*suffix == '\0') return 1;
    if ((letter = strchr(letters, *suffix)) == NULL) return 0;
    if (strcmp(suffix + 1, "") == 0 || strcmp(suffix + 1, "iB") == 0) base = 1024;
    else if (strcmp(suffix + 1, "B") == 0) base = 1000;
    else return 0;
    for (ptrdiff_t i = letter - letters; i >= 0; i--) unit *= base;
    return unit;
}

static int percent_parse(const struct decimal *num, uint64_t whole, uint64_t *bytesp)
{
    uint64_t hundredfold;

    if (whole == 0 || decimal_times(num, whole, &hundredfold) != 0) return -1;
    if (hundredfold / 100 > whole || (hundredfold / 100 == whole && hundredfold % 100 != 0)) return -1;
    *bytesp = hundredfold / 100;
    return 0;
}

int size_parse(const char *text, uint64_t whole, uint64_t *bytesp)
{
    struct decimal num;
    uint64_t unit;

    *bytesp = 0;
    if (decimal_parse(text, &num) != 0) return -1;
    if (strcmp(num.suffix, "%") == 0) return percent_parse(&num, whole, bytesp);
    if ((unit = suffix_unit(num.suffix)) == 0) return -1;
    if (unit == 1 && num.digits != NULL) return -1;
    return decimal_times(&num, unit, bytesp);
}

int seconds_parse(const char *text, uint64_t *msp)
{
    const uint64_t year_ms = UINT64_C(366) * 24 * 3600 * 1000;
    struct decimal num;

    *msp = 0;
    if (decimal_parse(text, &num) != 0 || *num.suffix != '\0') return -1;
    if (decimal_times(&num, 1000, msp) != 0 || *msp == 0 || *msp > year_ms) {
        *msp = 0;
        return -1;
    }
    return 0;
}
