/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What a mount or a disk is asked for with, whoever is to make it: BACKEND[:ARGS], and -o. */
#ifndef FERRY_OPTIONS_H
#define FERRY_OPTIONS_H

#include <ferry/session.h>

/**
 * struct ferry_options - options, taken apart
 * @placement: "user" or "kernel"; NULL: not said
 * @session: how a daemon is to serve: wait, queues, depth, inline_max, spin_us, on_death, grace,
 *	timeout. 0 or NULL: not said. Nothing else of it is touched.
 * @rest: all others, for ferry_mount() or ferry_disk_options_parse()
 */
struct ferry_options {
	const char *placement;
	struct ferry_session_options session;
	char *rest;
};

/**
 * ferry_options_parse() - take options apart
 * @options: zeroed, but for what of its session is no option; to be freed also after an error
 * @str: "wait=poll,ro,attr_timeout=0"; may be NULL. Where it contradicts itself the last one
 *	counts; commas in double quotes are no separators.
 * Return: 0; -EINVAL: a value is out of range or none; -ENOMEM
 */
int ferry_options_parse(struct ferry_options *options, const char *str);

/** ferry_options_free() - what ferry_options_parse() has taken, not @options itself */
void ferry_options_free(struct ferry_options *options);

/**
 * ferry_options_next() - the names of what was said of how to serve, one after another
 * @next: 0 at first
 * Return: "wait", say; NULL: that is all
 */
const char *ferry_options_next(const struct ferry_options *options, unsigned int *next);

/**
 * ferry_options_settled() - what of it is no option for who takes the place of another server: for
 *	all but how to wait is the channel's already
 * Return: the first of them; NULL: there is none
 */
const char *ferry_options_settled(const struct ferry_options *options);

/**
 * ferry_source_check() - can that be BACKEND[:ARGS]? Whether there is such a backend is not asked.
 * Return: 0; -EINVAL, after a line in the log
 */
int ferry_source_check(const char *source);

#endif
