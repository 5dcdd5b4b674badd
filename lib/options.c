// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Options: how to serve is taken out of them, the rest is the mount's or the disk's. */
#include <stdlib.h>

#include <ferry/options.h>

#include "internal.h"

static const char *const placements[] = { "user", "kernel", NULL };
static const char *const waits[] = { "sync", "poll", "uring", "rw", NULL };
static const char *const deaths[] = { "reissue", "kernel", "fail", NULL };

#define AT(field)	offsetof(struct ferry_options, field)

/* A number from 1 to @max, or one of @words; in the options it stands @at. */
static const struct option {
	const char *name;
	size_t at;
	u32 max;
	const char *const *words;
} table[] = {
	{ "placement",	AT(placement),		0, placements },
	{ "wait",	AT(session.wait),	0, waits },
	{ "queues",	AT(session.queues),	FERRY_QUEUES_MAX, NULL },
	{ "depth",	AT(session.depth),	FERRY_DEPTH_MAX, NULL },
	{ "inline",	AT(session.inline_max),	FERRY_DATA_MAX, NULL },
	{ "spin_us",	AT(session.spin_us),	1000000, NULL },
	{ "on_death",	AT(session.on_death),	0, deaths },
	{ "grace",	AT(session.grace),	FERRY_GRACE_MAX, NULL },
	{ "timeout",	AT(session.timeout),	FERRY_TIMEOUT_MAX, NULL },
};

static int take_word(const struct option *option, const char *value, const char **word)
{
	const char *const *w = option->words;
	char list[64] = "";

	for (; *w; w++) {
		if (value && !strcmp(*w, value)) {
			*word = *w;
			return 0;
		}
		strcat(strcat(list, !*list ? "" : w[1] ? ", " : " or "), *w);
	}
	ferry_log(FERRY_LOG_ERR, "option %s must be %s", option->name, list);
	return -EINVAL;
}

static int take_number(const struct option *option, const char *value, u32 *number)
{
	unsigned long n = 0;
	char *end = NULL;

	if (value && *value >= '0' && *value <= '9')
		n = strtoul(value, &end, 10);
	if (!n || *end || n > option->max) {
		ferry_log(FERRY_LOG_ERR, "option %s needs a number from 1 to %u", option->name,
			  option->max);
		return -EINVAL;
	}
	*number = n;
	return 0;
}

/* One of ours, or it is left for others. */
static int take(struct ferry_options *options, const char *text)
{
	size_t len = strcspn(text, "="), i;
	const char *value = text[len] ? text + len + 1 : NULL;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		void *at = (char *)options + table[i].at;

		if (strlen(table[i].name) != len || memcmp(table[i].name, text, len))
			continue;
		return table[i].words ? take_word(&table[i], value, at) :
					take_number(&table[i], value, at);
	}
	if (*options->rest)
		strcat(options->rest, ",");
	strcat(options->rest, text);
	return 0;
}

char *ferry_option_cut(char **rest)
{
	char *option = *rest + strspn(*rest, ","), *end;
	bool quoted = false;

	for (end = option; *end && (quoted || *end != ','); end++)
		quoted ^= *end == '"';
	*rest = *end ? end + 1 : end;
	*end = 0;
	return *option ? option : NULL;
}

static bool quotes_match(const char *str)
{
	bool open = false;

	for (; *str; str++)
		open ^= *str == '"';
	return !open;
}

int ferry_options_parse(struct ferry_options *options, const char *str)
{
	char *copy = strdup(str ? str : ""), *rest = copy, *text;
	int err = 0;

	options->rest = calloc(1, copy ? strlen(copy) + 1 : 1);
	if (!copy || !options->rest) {
		ferry_log(FERRY_LOG_ERR, "no memory for the options");
		err = -ENOMEM;
	} else if (!quotes_match(copy)) {
		ferry_log(FERRY_LOG_ERR, "options: a quote is missing after %s", strrchr(copy, '"'));
		err = -EINVAL;
	}
	while (!err && (text = ferry_option_cut(&rest)))
		err = take(options, text);
	free(copy);
	return err;
}

void ferry_options_free(struct ferry_options *options)
{
	free(options->rest);
	options->rest = NULL;
}

const char *ferry_options_next(const struct ferry_options *options, unsigned int *next)
{
	while (*next < ARRAY_SIZE(table)) {
		const struct option *option = &table[(*next)++];
		const void *at = (const char *)options + option->at;

		if (at != &options->placement &&
		    (option->words ? *(const char *const *)at != NULL : *(const u32 *)at != 0))
			return option->name;
	}
	return NULL;
}

const char *ferry_options_settled(const struct ferry_options *options)
{
	unsigned int next = 0;
	const char *name;

	while ((name = ferry_options_next(options, &next))) {
		if (strcmp(name, "wait") && strcmp(name, "spin_us"))
			return name;
	}
	return *options->rest ? options->rest : NULL;
}

int ferry_source_check(const char *source)
{
	const size_t len = strcspn(source, ":+");

	if (!len || source[0] == '.' ||
	    strspn(source, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") < len) {
		ferry_log(FERRY_LOG_ERR,
			  "%s: not a backend's name; BACKEND[:ARGS] is needed, as memfs:size=1G",
			  source);
		return -EINVAL;
	}
	if (len >= FERRY_NAME_MAX) {
		ferry_log(FERRY_LOG_ERR, "%s: a backend's name has at most %d characters", source,
			  FERRY_NAME_MAX - 1);
		return -EINVAL;
	}
	return 0;
}
