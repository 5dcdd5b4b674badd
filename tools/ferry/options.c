// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Mount options: ours, the VFS's and the filesystem's, told apart. */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmount.h>
#include <linux/ferry.h>

const char *const options_wait_styles[] = { "sync", "poll", "uring", "rw", NULL };

static const char *const fs_options[] = {
	"default_permissions", "no_default_permissions", "allow_other", "max_read", "max_write",
	"attr_timeout", "entry_timeout",
};

/* One option inside a string of them; value is NULL where there is no '='. */
struct option_text {
	const char *name;
	size_t name_len;
	const char *value;
	size_t value_len;
};

static bool is(const struct option_text *opt, const char *name)
{
	return opt->name_len == strlen(name) && !memcmp(opt->name, name, opt->name_len);
}

static bool value_is(const struct option_text *opt, const char *value)
{
	return opt->value && opt->value_len == strlen(value) &&
	       !memcmp(opt->value, value, opt->value_len);
}

static bool next(char **rest, struct option_text *opt)
{
	char *name, *value;

	if (mnt_optstr_next_option(rest, &name, &opt->name_len, &value, &opt->value_len) != 0)
		return false;
	opt->name = name;
	opt->value = value;
	return true;
}

/* Append to a string that may be NULL yet. */
static int append(char **str, const struct option_text *opt)
{
	char *old = *str;

	if (asprintf(str, "%s%s%.*s%s%.*s", old ? old : "", old && *old ? "," : "",
		     (int)opt->name_len, opt->name, opt->value ? "=" : "",
		     opt->value ? (int)opt->value_len : 0, opt->value ? opt->value : "") < 0) {
		*str = old;
		return -ENOMEM;
	}
	free(old);
	return 0;
}

static int parse_number(const struct option_text *opt, unsigned int max, unsigned int *number,
			char *err, size_t size)
{
	unsigned long n = 0;
	size_t i;

	for (i = 0; i < opt->value_len && n <= max; i++) {
		if (opt->value[i] < '0' || opt->value[i] > '9')
			break;
		n = n * 10 + (unsigned long)(opt->value[i] - '0');
	}
	if (!opt->value_len || i < opt->value_len || n < 1 || n > max) {
		snprintf(err, size, "option %.*s needs a number from 1 to %u",
			 (int)opt->name_len, opt->name, max);
		return -EINVAL;
	}
	*number = (unsigned int)n;
	return 0;
}

/* Numbers that ferryd takes; 0 in struct options: its choice. */
static const struct {
	const char *name;
	size_t offset;
	unsigned int max;
} numbers[] = {
	{ "queues", offsetof(struct options, queues), FERRY_QUEUES_MAX },
	{ "depth", offsetof(struct options, depth), FERRY_DEPTH_MAX },
	{ "inline", offsetof(struct options, inline_max), FERRY_DATA_MAX },
	{ "spin_us", offsetof(struct options, spin_us), 1000000 },
	{ "grace", offsetof(struct options, grace), FERRY_GRACE_MAX },
	{ "timeout", offsetof(struct options, timeout), FERRY_TIMEOUT_MAX },
};

static unsigned int *number_of(struct options *opts, size_t i)
{
	return (unsigned int *)((char *)opts + numbers[i].offset);
}

/* One of @words, which end with NULL, goes to @word. */
static int parse_word(const struct option_text *opt, const char *const *words, char **word,
		      char *err, size_t size)
{
	const char *const *w;
	size_t used;

	for (w = words; *w; w++) {
		if (!value_is(opt, *w))
			continue;
		free(*word);
		*word = strdup(*w);
		return *word ? 0 : -ENOMEM;
	}
	used = snprintf(err, size, "option %.*s must be ", (int)opt->name_len, opt->name);
	for (w = words; *w && used < size; w++)
		used += snprintf(err + used, size - used, "%s%s",
				 w == words ? "" : w[1] ? ", " : " or ", *w);
	return -EINVAL;
}

/* Take what is ours; the rest is collected in opts->fs. */
static int parse_ours(struct options *opts, const struct option_text *opt, char *err, size_t size)
{
	static const char *const deaths[] = { "reissue", "kernel", "fail", NULL };
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (is(opt, numbers[i].name))
			return parse_number(opt, numbers[i].max, number_of(opts, i), err, size);
	}
	if (is(opt, "placement")) {
		opts->kernel = value_is(opt, "kernel");
		if (opts->kernel || value_is(opt, "user"))
			return 0;
		snprintf(err, size, "option placement must be user or kernel");
		return -EINVAL;
	}
	if (is(opt, "wait"))
		return parse_word(opt, options_wait_styles, &opts->wait, err, size);
	if (is(opt, "on_death"))
		return parse_word(opt, deaths, &opts->on_death, err, size);
	if (is(opt, "allow_other") || is(opt, "no_allow_other")) {
		opts->no_allow_other = is(opt, "no_allow_other");
		return 0;
	}
	return append(&opts->fs, opt);
}

static int parse_vfs(struct options *opts, char *vfs)
{
	if (!vfs)
		vfs = strdup("");
	if (!vfs)
		return -ENOMEM;
	opts->vfs = vfs;
	return mnt_optstr_get_flags(vfs, &opts->flags, mnt_get_builtin_optmap(MNT_LINUX_MAP));
}

static bool quotes_match(const char *str)
{
	bool open = false;

	for (; *str; str++)
		open ^= *str == '"';
	return !open;
}

int options_parse(struct options *opts, const char *str, char *err, size_t size)
{
	char *vfs = NULL, *fs = NULL, *rest;
	struct option_text opt;
	int ret;

	snprintf(err, size, "out of memory");
	str = str ? str : "";
	if (!quotes_match(str)) {
		snprintf(err, size, "options %s: a quote is missing", str);
		return -EINVAL;
	}
	ret = mnt_split_optstr(str, NULL, &vfs, &fs, 0, 0);
	if (ret) {
		snprintf(err, size, "options %s: not understood", str);
		return -EINVAL;
	}
	ret = parse_vfs(opts, vfs);
	for (rest = fs; !ret && rest && next(&rest, &opt);)
		ret = parse_ours(opts, &opt, err, size);
	free(fs);
	if (!ret && !opts->fs) {
		opts->fs = strdup("");
		ret = opts->fs ? 0 : -ENOMEM;
	}
	return ret;
}

void options_free(struct options *opts)
{
	free(opts->wait);
	free(opts->on_death);
	free(opts->vfs);
	free(opts->fs);
}

static bool known(const struct option_text *opt)
{
	size_t i;

	for (i = 0; i < sizeof(fs_options) / sizeof(fs_options[0]); i++) {
		if (is(opt, fs_options[i]))
			return true;
	}
	return false;
}

int options_drop_unknown(struct options *opts)
{
	char *rest = opts->fs, *kept = strdup("");
	struct option_text opt;
	int ret = kept ? 0 : -ENOMEM;

	while (!ret && next(&rest, &opt)) {
		if (known(&opt))
			ret = append(&kept, &opt);
	}
	if (ret) {
		free(kept);
		return ret;
	}
	free(opts->fs);
	opts->fs = kept;
	return 0;
}

/* Does an option of a disk say how a daemon serves it, and nothing else? */
static bool is_daemons(const struct option_text *opt)
{
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (is(opt, numbers[i].name))
			return !is(opt, "depth");
	}
	return is(opt, "wait") || is(opt, "on_death");
}

char *options_of_disk(const char *str)
{
	char *copy = strdup(str ? str : ""), *rest = copy, *kept = strdup("");
	struct option_text opt;
	int ret = copy && kept ? 0 : -ENOMEM;

	while (!ret && next(&rest, &opt)) {
		if (!is_daemons(&opt))
			ret = append(&kept, &opt);
	}
	free(copy);
	if (!ret)
		return kept;
	free(kept);
	return NULL;
}

char *options_for_ferryd(const struct options *opts)
{
	char wait[32] = "", on_death[32] = "", given[160] = "";
	const char *parts[] = {
		wait, given, on_death,
		opts->no_allow_other ? "" : "allow_other",
		opts->vfs, opts->fs,
	};
	size_t i, used = 0, size = 1;
	char *str;

	if (opts->wait)
		snprintf(wait, sizeof(wait), "wait=%s", opts->wait);
	if (opts->on_death)
		snprintf(on_death, sizeof(on_death), "on_death=%s", opts->on_death);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		unsigned int n = *number_of((struct options *)opts, i);

		if (n)
			used += snprintf(given + used, sizeof(given) - used, "%s%s=%u",
					 used ? "," : "", numbers[i].name, n);
	}
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		size += strlen(parts[i]) + 1;
	str = calloc(1, size);
	for (i = 0; str && i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (*str && *parts[i])
			strcat(str, ",");
		strcat(str, parts[i]);
	}
	return str;
}
