// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* A backend's argument string is read as env.h says. */
#include "../claim.h"
#include "dispatch_host.h"

static const char *find(const char *args, const char *name, int *len)
{
	size_t n = 999;
	const char *p = ferry_opt_find(args, name, &n);

	*len = p ? (int)n : -1;
	return p ? p : "";
}

static void check_find(const char *args, const char *name, const char *want)
{
	int len;
	const char *p = find(args, name, &len);

	CHECK_EQ(len, want ? (int)strlen(want) : -1);
	CHECK(!want || !memcmp(p, want, len));
}

static void options_are_found(void)
{
	check_find(NULL, "a", NULL);
	check_find("", "a", NULL);
	check_find("a", "a", "");
	check_find("a=", "a", "");
	check_find("a=1", "a", "1");
	check_find("b,a=1,c", "a", "1");
	check_find("b,a=1,c", "c", "");
	check_find("aa=1", "a", NULL);
	check_find("a=1", "aa", NULL);
	check_find("a=b=c", "a", "b=c");
	check_find("x=a,b", "a", NULL);
	check_find("a=1,a=2", "a", "2");
	check_find(",,a=1,,", "a", "1");
}

static void check_size(const char *value, int error, u64 want)
{
	char args[64];
	u64 got = 77;

	snprintf(args, sizeof(args), "size=%s", value);
	CHECK_EQ(ferry_opt_size(args, "size", &got), error);
	CHECK_EQ(got, error ? 77 : want);
}

static void sizes_are_read(void)
{
	u64 got = 5;

	check_size("0", 0, 0);
	check_size("123", 0, 123);
	check_size("1K", 0, 1 << 10);
	check_size("2m", 0, 2 << 20);
	check_size("3G", 0, 3ULL << 30);
	check_size("4T", 0, 4ULL << 40);
	check_size("18446744073709551615", 0, ~0ULL);
	check_size("18446744073709551616", -ERANGE, 0);
	check_size("99999999999999999999", -ERANGE, 0);
	check_size("16777215T", 0, 16777215ULL << 40);
	check_size("16777216T", -ERANGE, 0);
	check_size("", -EINVAL, 0);
	check_size("K", -EINVAL, 0);
	check_size("-1", -EINVAL, 0);
	check_size("1x", -EINVAL, 0);
	check_size("1KK", -EINVAL, 0);
	check_size("0x10", -EINVAL, 0);
	check_size(" 1", -EINVAL, 0);
	CHECK_EQ(ferry_opt_size("other=1", "size", &got), 0);
	CHECK_EQ(got, 5);
	CHECK_EQ(ferry_opt_size("size", "size", &got), -EINVAL);
}

static void check_mode(const char *args, int error, u32 want)
{
	u32 got = 5;

	CHECK_EQ(ferry_opt_mode(args, "mode", &got), error);
	CHECK_EQ(got, error ? 5 : want);
}

static void modes_are_read(void)
{
	check_mode("mode=1777", 0, 01777);
	check_mode("a,mode=0,b", 0, 0);
	check_mode("mode=7777", 0, 07777);
	check_mode("mode=10000", -ERANGE, 0);
	check_mode("mode=8", -EINVAL, 0);
	check_mode("mode=", -EINVAL, 0);
	check_mode("mode", -EINVAL, 0);
	check_mode("mode=755K", -EINVAL, 0);
	check_mode("other=1", 0, 5);
}

static void unknown_options_are_refused(void)
{
	static const char *const known[] = { "size", "nodes", NULL };

	CHECK_EQ(ferry_opt_check(NULL, known), 0);
	CHECK_EQ(ferry_opt_check("", known), 0);
	CHECK_EQ(ferry_opt_check("size=1,nodes", known), 0);
	CHECK_EQ(logged, 0);
	CHECK_EQ(ferry_opt_check("siz=1", known), -EINVAL);
	CHECK_EQ(logged, 1);
	CHECK_EQ(ferry_opt_check("size=1,sizes=2", known), -EINVAL);
	CHECK_EQ(ferry_opt_check("=1", known), -EINVAL);
}

static void check_said(const char *want)
{
	if (strcmp(last_line, want))
		claim_fail(__FILE__, __LINE__, "said '%s', not '%s'", last_line, want);
}

static void the_known_ones_are_named(void)
{
	static const char *const three[] = { "size", "nodes", "writeback", NULL };
	static const char *const one[] = { "text", NULL };
	static const struct ferry_backend backend = { .name = "some" };
	const struct ferry_server server = { .backend = &backend };

	CHECK_EQ(ferry_opt_check("siz=1,nodes=2", three), -EINVAL);
	check_said("unknown option \"siz\": there are size, nodes and writeback");
	CHECK_EQ(ferry_args_check(&server, "text=1", one), 0);
	CHECK_EQ(ferry_args_check(&server, "text=1,txt", one), -EINVAL);
	check_said("some: unknown argument \"txt\": there are text: see 'ferryd --help some'");
}

static const struct claim claims[] = {
	{ "options are found", options_are_found },
	{ "sizes are read", sizes_are_read },
	{ "modes are read, in octal", modes_are_read },
	{ "unknown options are refused", unknown_options_are_refused },
	{ "who gives an unknown one is told whose, and the known ones", the_known_ones_are_named },
};
CLAIMS_MAIN(claims)
