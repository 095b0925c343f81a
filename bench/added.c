/* SPDX-License-Identifier: MIT */
/*
 * Peers that are not in the tree: --peer NAME=PROGRAM, with arguments of its own after the program. Each gets a row in
 * every table but that of the pipe, below the plan's, for the work that it does; it says with 77 what it does not do.
 * Its arguments are those of the work, those of the table's first row (ours: a level of compression, a budget), and its
 * own, the last of which count. README.md says what is asked of such a program; run.c and report.c go through the rows.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROUPS_MAX 32
#define TEXT_BYTES 1024

static struct {
    char name[sizeof((struct child_result *)NULL)->peer];
    char program[TEXT_BYTES]; /* and then its arguments, each part with a zero at its end */
    const char *args;
    struct plan_peer row[GROUPS_MAX]; /* one for each table, since our rows differ in their arguments */
} added[PLAN_ADDED_MAX];
static size_t added_count;

/* The arguments of an added peer in GROUP: what our row has, then what is its own. */
static char *args_join(const struct plan_group *group, const char *own)
{
    const char *ours = group->peers[0].args;
    size_t room      = strlen(ours) + strlen(own) + 2;
    char *args       = malloc(room);

    if (args == NULL) {
        perror("bench-run");
        exit(1);
    }
    snprintf(args, room, "%s%s%s", ours, *ours != '\0' && *own != '\0' ? " " : "", own);
    return args;
}

/* Split "NAME=PROGRAM ARGUMENTS". Returns false when it is nothing of the kind. */
static bool text_split(const char *text)
{
    const char *equals = strchr(text, '=');
    size_t name_len    = equals != NULL ? (size_t)(equals - text) : 0;
    char *program      = added[added_count].program;
    size_t program_len;

    if (name_len == 0 || name_len >= sizeof added->name || strcspn(text, " \t\n|") < name_len) return false;
    if (equals[1] == '\0' || equals[1] == ' ' || strlen(equals + 1) >= TEXT_BYTES) return false;
    snprintf(added[added_count].name, sizeof added->name, "%.*s", (int)name_len, text);
    snprintf(program, TEXT_BYTES, "%s", equals + 1);
    program_len             = strcspn(program, " ");
    added[added_count].args = program + program_len + (program[program_len] != '\0');
    program[program_len]    = '\0';
    return true;
}

bool added_take(const char *text)
{
    if (added_count == PLAN_ADDED_MAX) {
        fprintf(stderr, "bench-run: at most %d peers can be added\n", PLAN_ADDED_MAX);
        return false;
    }
    if (!text_split(text)) {
        fprintf(stderr, "bench-run: --peer is NAME=PROGRAM, with arguments or without, not '%s'\n", text);
        return false;
    }
    if (access(added[added_count].program, X_OK) != 0) {
        perror(added[added_count].program);
        return false;
    }
    for (size_t g = 0; g < GROUPS_MAX && plan[g].title != NULL; g++) {
        struct plan_peer *row = &added[added_count].row[g];

        *row = (struct plan_peer){ added[added_count].program, args_join(&plan[g], added[added_count].args), true };
    }
    added_count++;
    return true;
}

const char *added_name(const struct plan_peer *peer)
{
    for (size_t i = 0; i < added_count; i++)
        for (size_t g = 0; g < GROUPS_MAX; g++)
            if (peer == &added[i].row[g]) return added[i].name;
    return NULL;
}

const struct plan_peer *group_peer(const struct plan_group *group, size_t number)
{
    size_t count = 0;

    while (count < number && group->peers[count].program != NULL) count++;
    if (group->peers[count].program != NULL) return &group->peers[count];
    number -= count;
    if (group->kind == PLAN_PIPE || number >= added_count) return NULL;
    return &added[number].row[group - plan];
}
