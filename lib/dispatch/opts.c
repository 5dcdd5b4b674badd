// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* A backend's argument string: "name=value,name,name=value". */
#include <ferry/req.h>

/* Length of the option at @opt, up to its comma or the end. */
static size_t opt_len(const char *opt)
{
	const char *comma = strchr(opt, ',');

	return comma ? (size_t)(comma - opt) : strlen(opt);
}

static size_t name_len(const char *opt, size_t len)
{
	const char *eq = memchr(opt, '=', len);

	return eq ? (size_t)(eq - opt) : len;
}

const char *ferry_opt_find(const char *args, const char *name, size_t *len)
{
	const char *found = NULL;

	while (args && *args) {
		size_t opt = opt_len(args);
		size_t n = name_len(args, opt);

		/* The last one counts, as with mount options. */
		if (n == strlen(name) && !memcmp(args, name, n)) {
			found = args + n + (n < opt);
			*len = args + opt - found;
		}
		args += opt + (args[opt] == ',');
	}
	return found;
}
FERRY_EXPORT(ferry_opt_find);

const char *ferry_source_args(const char *source, size_t *name_len)
{
	const char *p = source;

	while (*p && *p != ':' && *p != '+')
		p++;
	*name_len = p - source;
	return *p ? p + (*p == ':') : NULL;
}
FERRY_EXPORT(ferry_source_args);

static unsigned int suffix_shift(char c)
{
	switch (c) {
	case 'K': case 'k':
		return 10;
	case 'M': case 'm':
		return 20;
	case 'G': case 'g':
		return 30;
	case 'T': case 't':
		return 40;
	}
	return 0;
}

static int parse_digits(const char *p, size_t len, unsigned int base, u64 *value)
{
	size_t i;

	*value = 0;
	for (i = 0; i < len; i++) {
		unsigned int digit = p[i] - '0';

		if (digit >= base)
			return -EINVAL;
		if (*value > (~0ULL - digit) / base)
			return -ERANGE;
		*value = *value * base + digit;
	}
	return len ? 0 : -EINVAL;
}

int ferry_opt_size(const char *args, const char *name, u64 *value)
{
	size_t len = 0;
	const char *p = ferry_opt_find(args, name, &len);
	unsigned int shift = 0;
	u64 v;
	int err;

	if (!p)
		return 0;
	if (len > 1)
		shift = suffix_shift(p[len - 1]);
	err = parse_digits(p, len - !!shift, 10, &v);
	if (err)
		return err;
	if (v > ~0ULL >> shift)
		return -ERANGE;
	*value = v << shift;
	return 0;
}
FERRY_EXPORT(ferry_opt_size);

int ferry_opt_mode(const char *args, const char *name, u32 *mode)
{
	size_t len = 0;
	const char *p = ferry_opt_find(args, name, &len);
	u64 v;
	int err;

	if (!p)
		return 0;
	err = parse_digits(p, len, 8, &v);
	if (err || v > 07777)
		return err ? err : -ERANGE;
	*mode = v;
	return 0;
}
FERRY_EXPORT(ferry_opt_mode);

static bool is_known(const char *const *known, const char *name, size_t len)
{
	for (; *known; known++)
		if (strlen(*known) == len && !memcmp(*known, name, len))
			return true;
	return false;
}

/* "a, b and c" */
static void join(char *list, size_t size, const char *const *words)
{
	const char *const *w;
	size_t used = 0;

	*list = 0;
	for (w = words; *w && used < size; w++)
		used += snprintf(list + used, size - used, "%s%s",
				 w == words ? "" : w[1] ? ", " : " and ", *w);
}

/* The first option that is not known, and in @len its length; NULL: there is none. */
static const char *find_unknown(const char *args, const char *const *known, int *len)
{
	while (args && *args) {
		size_t opt = opt_len(args);
		size_t n = name_len(args, opt);

		if (!is_known(known, args, n)) {
			*len = min(n, (size_t)255);
			return args;
		}
		args += opt + (args[opt] == ',');
	}
	return NULL;
}

int ferry_opt_check(const char *args, const char *const *known)
{
	char list[256];
	int len;
	const char *opt = find_unknown(args, known, &len);

	if (!opt)
		return 0;
	join(list, sizeof(list), known);
	ferry_log(FERRY_LOG_ERR, "unknown option \"%.*s\": there are %s", len, opt, list);
	return -EINVAL;
}
FERRY_EXPORT(ferry_opt_check);

int ferry_args_check(const struct ferry_server *server, const char *args,
		     const char *const *known)
{
	const char *name = server->backend->name;
	char list[256];
	int len;
	const char *opt = find_unknown(args, known, &len);

	if (!opt)
		return 0;
	join(list, sizeof(list), known);
	ferry_log(FERRY_LOG_ERR, "%s: unknown argument \"%.*s\": there are %s: see 'ferryd --help %s'",
		  name, len, opt, list, name);
	return -EINVAL;
}
FERRY_EXPORT(ferry_args_check);
