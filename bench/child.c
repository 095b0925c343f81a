/* SPDX-License-Identifier: MIT */
/* Runs one benchmark program, reads its result lines and time series, and says how it ended. */
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX         64
#define TEXT_BYTES        2048
#define CHILD_SECONDS_MAX 300

/* Split the texts in ARGS at blanks into ARGV, which points into BUFFER. Returns false when there are too many. */
static bool words_split(const char *const *args, char *buffer, size_t room, char **argv, size_t argc)
{
    size_t used = 0;

    for (; *args != NULL; args++) {
        char *rest = NULL;
        int   len = snprintf(buffer + used, room - used, "%s", *args);

        if (len < 0 || (size_t)len >= room - used) return false;
        for (char *word = strtok_r(buffer + used, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
            if (argc + 1 == WORDS_MAX) return false;
            argv[argc++] = word;
        }
        used += (size_t)len + 1;
    }
    argv[argc] = NULL;
    return true;
}

/* The value of KEY in a line of "key=value" words, copied to TEXT. */
static bool value_find(const char *line, const char *key, char *text, size_t room)
{
    size_t len = strlen(key);

    for (const char *at = line; at != NULL; at = strchr(at, ' ')) {
        size_t value_len;

        at += *at == ' ';
        if (strncmp(at, key, len) != 0 || at[len] != '=') continue;
        value_len = strcspn(at + len + 1, " \n");
        if (value_len >= room) return false;
        memcpy(text, at + len + 1, value_len);
        text[value_len] = '\0';
        return true;
    }
    return false;
}

double child_number(const char *text, const char *key, double otherwise)
{
    char number[64];

    return value_find(text, key, number, sizeof number) ? strtod(number, NULL) : otherwise;
}

/* What of LINE has no field of its own goes to MORE, as much of it as there is room for. */
static void more_copy(const char *line, char *more, size_t room)
{
    static const char known[] = " peer phase messages bytes seconds cpu ok wall disk_bytes overflowed ";
    size_t            used = 0;

    more[0] = '\0';
    while (*line != '\0') {
        size_t len = strcspn(line, " \n");
        size_t key_len = strcspn(line, "= \n");
        char   key[64];

        snprintf(key, sizeof key, " %.*s ", (int)key_len, line);
        if (len > key_len && strstr(known, key) == NULL && used + len + 2 < room)
            used += (size_t)snprintf(more + used, room - used, "%s%.*s", used > 0 ? " " : "", (int)len, line);
        line += len + (line[len] != '\0');
    }
}

static bool line_parse(const char *line, struct child_result *result)
{
    *result = (struct child_result){.messages = 0};
    if (!value_find(line, "peer", result->peer, sizeof result->peer)) return false;
    if (!value_find(line, "phase", result->phase, sizeof result->phase)) return false;
    result->messages = (unsigned long long)child_number(line, "messages", 0);
    result->bytes = (unsigned long long)child_number(line, "bytes", 0);
    result->seconds = child_number(line, "seconds", 0);
    result->cpu = child_number(line, "cpu", 0);
    result->ok = child_number(line, "ok", 0) == 1;
    result->wall = child_number(line, "wall", -1);
    result->disk_bytes = child_number(line, "disk_bytes", -1);
    result->overflowed = child_number(line, "overflowed", -1);
    more_copy(line, result->more, sizeof result->more);
    return result->messages > 0 && result->seconds > 0;
}

/* A line "series SECONDS NAME VALUE" is handed on. Returns false when LINE is something else. */
static bool series_take(const char *line, const struct child_series *series)
{
    char   name[32];
    double seconds, value;

    if (sscanf(line, "series %lf %31s %lf", &seconds, name, &value) != 3) return false;
    if (series != NULL) series->add(series->arg, seconds, name, value);
    return true;
}

static bool results_read(int fd, const struct child_series *series, struct child_result *results, size_t *countp)
{
    char  line[TEXT_BYTES];
    bool  good = true;
    FILE *in = fdopen(fd, "r");

    if (in == NULL) {
        close(fd);
        return false;
    }
    while (fgets(line, sizeof line, in) != NULL) {
        if (series_take(line, series)) continue;
        if (*countp == CHILD_RESULTS_MAX || !line_parse(line, &results[(*countp)++])) good = false;
    }
    fclose(in);
    return good;
}

/* The alarm outlives execv(): a receiver that waits for a lost message does not wait for ever. */
static void child_exec(const char *path, char **argv, int out)
{
    dup2(out, STDOUT_FILENO);
    close(out);
    alarm(CHILD_SECONDS_MAX);
    execv(path, argv);
    _exit(127);
}

int child_run(const char *path, const char *const *args, const struct child_series *series,
              struct child_result *results, size_t *countp)
{
    char  buffer[TEXT_BYTES];
    char  program[TEXT_BYTES];
    char *argv[WORDS_MAX] = {program};
    int   ends[2];
    int   status = -1;
    bool  good;
    pid_t pid;

    *countp = 0;
    snprintf(program, sizeof program, "%s", path);
    if (!words_split(args, buffer, sizeof buffer, argv, 1) || pipe(ends) != 0) return -1;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child_exec(path, argv, ends[1]);
    }
    close(ends[1]);
    good = results_read(ends[0], series, results, countp);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return -1;
    return good ? WEXITSTATUS(status) : -1;
}
