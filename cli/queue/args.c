/* SPDX-License-Identifier: MIT */
/*
 * The command line, by getopt_long(3): the command first, then options and operands in any order. Everything is checked
 * here, before anything is opened. A mistake is one line on standard error and the hint at --help.
 */
#include "args.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../sizes.h"
#include "commands.h"
#include "say.h"
#include "status.h"
#include "usage.h"

enum { OPT_NAME = 256, OPT_FROM, OPT_QUICK, OPT_DRY_RUN };

static const struct {
    const char *name;
    int (*run)(const struct args *args);
    const char *options; /* letters that it takes, 'N' for --name and so on; see option_sign() */
    int operands;
} commands[] = {
    { "info", command_info, "Nj", 1 },
    { "ls", command_ls, "NjFQ", 1 },
    { "cat", command_cat, "Njfnul0", 1 },
    { "verify", command_verify, "Nj", 1 },
    { "repair", command_repair, "NjD", 1 },
    { "ack", command_ack, "ND", 2 },
    { "purge", command_purge, "NDy", 1 },
    { "copy", command_copy, "N", 2 },
    { "follow", command_follow, "Njfnul0ti", 1 },
};

static const char short_options[] = "jFn:ul0t:i:yhV";

static const struct option long_options[] = {
    { "name", required_argument, NULL, OPT_NAME },
    { "json", no_argument, NULL, 'j' },
    { "frames", no_argument, NULL, 'F' },
    { "quick", no_argument, NULL, OPT_QUICK },
    { "from", required_argument, NULL, OPT_FROM },
    { "count", required_argument, NULL, 'n' },
    { "unacked", no_argument, NULL, 'u' },
    { "lines", no_argument, NULL, 'l' },
    { "null", no_argument, NULL, '0' },
    { "timeout", required_argument, NULL, 't' },
    { "interval", required_argument, NULL, 'i' },
    { "dry-run", no_argument, NULL, OPT_DRY_RUN },
    { "yes", no_argument, NULL, 'y' },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    { NULL, 0, NULL, 0 },
};

SAY_FORMAT(1, 2) static int wrong(const char *format, ...)
{
    va_list args;

    (void)fputs("hopper-queue: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputs("\nTry 'hopper-queue --help'\n", stderr);
    return STATUS_USAGE;
}

static char option_sign(int opt)
{
    switch (opt) {
    case OPT_NAME: return 'N';
    case OPT_FROM: return 'f';
    case OPT_QUICK: return 'Q';
    case OPT_DRY_RUN: return 'D';
    default: return (char)opt;
    }
}

static const char *option_name(int opt)
{
    for (const struct option *o = long_options; o->name; o++)
        if (o->val == opt) return o->name;
    return "?";
}

/* A whole number from 1 on. */
static bool parse_number(const char *text, uint64_t *valuep)
{
    uint64_t value = 0;

    *valuep = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return false;
    }
    *valuep = value;
    return value > 0;
}

static bool is_name(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len                  = strlen(text);

    return len >= 1 && len <= 200 && strspn(text, letters) == len && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static int take_value(struct args *args, int opt, const char *value)
{
    const char *what = option_name(opt);

    switch (opt) {
    case OPT_NAME:
        args->name = value;
        return is_name(value) ? 0 : wrong("--name: '%s' is not the name of a channel", value);
    case OPT_FROM:
        return parse_number(value, &args->from) ? 0 : wrong("--from: '%s' is not a sequence number from 1 on", value);
    case 'n': return parse_number(value, &args->count) ? 0 : wrong("--count: '%s' is not a number from 1 on", value);
    case 't':
        return seconds_parse(value, &args->timeout_ms) == 0
                   ? 0
                   : wrong("--%s: '%s' is not a number of seconds such as 10 or 0.5", what, value);
    default:
        return seconds_parse(value, &args->interval_ms) == 0
                   ? 0
                   : wrong("--%s: '%s' is not a number of seconds such as 10 or 0.5", what, value);
    }
}

static void take_flag(struct args *args, int opt)
{
    switch (opt) {
    case 'j': args->is_json = true; break;
    case 'F': args->is_frames = true; break;
    case OPT_QUICK: args->is_quick = true; break;
    case 'u': args->is_unacked = true; break;
    case 'l': args->end = ARGS_END_LINE; break;
    case '0': args->end = ARGS_END_NUL; break;
    case OPT_DRY_RUN: args->is_dry_run = true; break;
    case 'y': args->is_sure = true; break;
    default: break;
    }
}

static int take_operands(struct args *args, const char *command, int wanted, int count, char **operands)
{
    if (count < wanted) return wrong("%s: %s", command, count == 0 ? "which directory?" : "one more operand is needed");
    if (count > wanted) return wrong("%s: one operand too many: '%s'", command, operands[wanted]);
    args->dir = operands[0];
    if (*args->dir == '\0') return wrong("%s: the name of the directory is empty", command);
    if (args->run == command_copy) args->dest = operands[1];
    if (args->run == command_copy && *args->dest == '\0') return wrong("copy: the name of the copy is empty");
    if (args->run == command_ack && !parse_number(operands[1], &args->seq))
        return wrong("ack: '%s' is not a sequence number from 1 on", operands[1]);
    return 0;
}

static int parse_options(struct args *args, size_t command, int argc, char **argv)
{
    int opt, status;

    opterr = 0;
    while ((opt = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        if (opt == 'h' || opt == 'V') {
            args->run = NULL;
            return opt == 'h' ? usage_help() : usage_version();
        }
        if (opt == '?') return wrong("'%s': no such option, or it lacks its value", argv[optind - 1]);
        if (!strchr(commands[command].options, option_sign(opt)))
            return wrong("%s does not take --%s", commands[command].name, option_name(opt));
        take_flag(args, opt);
        if (optarg && (status = take_value(args, opt, optarg)) != 0) return status;
    }
    return take_operands(args, commands[command].name, commands[command].operands, argc - optind, argv + optind);
}

bool args_parse(struct args *args, int argc, char **argv, int *statusp)
{
    *args    = (struct args){ .count = UINT64_MAX, .interval_ms = 200 };
    *statusp = STATUS_USAGE;
    if (argc < 2) {
        (void)wrong("which command?");
        return false;
    }
    if (argv[1][0] == '-') { /* only --help and --version make sense without a command */
        int opt;

        opterr = 0;
        opt    = getopt_long(argc, argv, "hV", long_options, NULL);
        if (opt == 'h' || opt == 'V') *statusp = opt == 'h' ? usage_help() : usage_version();
        else (void)wrong("the command comes first, not '%s'", argv[1]);
        return false;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) != 0) continue;
        args->run = commands[i].run;
        *statusp  = parse_options(args, i, argc - 1, argv + 1);
        return *statusp == 0 && args->run;
    }
    (void)wrong("'%s' is not a command", argv[1]);
    return false;
}
