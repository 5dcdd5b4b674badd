// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Tables for people, of names that hold anything. */
#include <locale.h>

#include "../../tools/ferry/ferry.h"
#include "../../tools/ferry/table.h"
#include "../claim.h"

void complain(const char *fmt, ...)
{
}

const char *human(uint64_t n, unsigned int base, char *buf, size_t size)
{
	return "";
}

/* A table with @name in the first of two columns, in a locale of UTF-8. */
static void check_table(const char *name, const char *wanted)
{
	static const struct column columns[] = { { "NAME", false }, { "N", true } };
	struct table table = { columns, 2, NULL, 0, false };
	FILE *before = stdout;
	char *printed;
	size_t size;

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		claim_skip("no locale C.UTF-8 here");
	table_text(&table, name);
	table_number(&table, 7);
	stdout = open_memstream(&printed, &size);
	CHECK_EQ(table_print(&table), 0);
	fclose(stdout);
	stdout = before;
	if (strcmp(printed, wanted))
		claim_fail(__FILE__, __LINE__, "'%s' is not '%s'", printed, wanted);
	free(printed);
}

static void columns_are_counted(void)
{
	check_table("/mnt/größe", "NAME        N\n/mnt/größe  7\n");
	check_table("/mnt/日本", "NAME       N\n/mnt/日本  7\n");
}

static void a_name_is_no_line(void)
{
	check_table("/a\n4  /fake", "NAME            N\n/a\\0124  /fake  7\n");
	check_table("\033[1m", "NAME     N\n\\033[1m  7\n");
	check_table("\xc2\x9b" "1m", "NAME        N\n\\302\\2331m  7\n");
}

static void what_is_no_text_is_shown(void)
{
	check_table("a\xff" "b\xc3", "NAME        N\na\\377b\\303  7\n");
	check_table("a\\012", "NAME      N\na\\134012  7\n");
}

static const struct claim claims[] = {
	{ "columns are as wide as what is seen in them", columns_are_counted },
	{ "a name makes no line of its own, and moves no cursor", a_name_is_no_line },
	{ "what is no text is shown in octal, and told apart from what looks so",
	  what_is_no_text_is_shown },
};
CLAIMS_MAIN(claims)
