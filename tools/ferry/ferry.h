/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The ferry command: what its verbs share. */
#ifndef FERRY_TOOL_H
#define FERRY_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses */
#define EXIT_USAGE	2

/* A verb gets "ferry VERB" as argv[0] and returns the exit status. */
int cmd_mount(int argc, char **argv);
int cmd_umount(int argc, char **argv);
int cmd_disk(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_set(int argc, char **argv);
int cmd_abort(int argc, char **argv);
int cmd_move(int argc, char **argv);
int cmd_upgrade(int argc, char **argv);
int cmd_recover(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* mount.ferry, as mount(8) calls it */
int mount_helper(int argc, char **argv);

struct ferry_options;

/**
 * check_in_kernel() - what of the options is a daemon's, and how it serves: say that it is not used
 * @but: not of this one, or NULL
 * Return: 0, -EINVAL after a complaint: one relies on it
 */
int check_in_kernel(const struct ferry_options *options, const char *but);

/** complain() - one line on stderr, led by the program's name */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** bad_usage() - one line and a hint at --help; returns EXIT_USAGE */
int bad_usage(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** human() - a number for people: "12.5Mi" with @base 1024, "3.1k" with 1000 */
const char *human(uint64_t n, unsigned int base, char *buf, size_t size);

#endif
