// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Tables for people. */
#include "table.h"
#include "ferry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

char *shown(const char *text, int *width)
{
	char *copy = malloc(4 * strlen(text) + 1), *to = copy;
	mbstate_t state = { 0 };
	size_t len;
	wchar_t c;

	*width = 0;
	if (!copy)
		return NULL;
	for (; *text; text += len) {
		len = mbrtowc(&c, text, strlen(text), &state);
		if (len <= strlen(text) && c != '\\' && wcwidth(c) >= 0) {
			to = mempcpy(to, text, len);
			*width += wcwidth(c);
			continue;
		}
		len = 1;
		memset(&state, 0, sizeof(state));
		*width += sprintf(to, "\\%03o", (unsigned char)*text);
		to += 4;
	}
	*to = '\0';
	return copy;
}

void table_text(struct table *table, const char *text)
{
	struct cell *cells = reallocarray(table->cells, table->nr + 1, sizeof(*cells)), cell;

	cell.text = shown(text && *text ? text : "-", &cell.width);
	if (cells)
		table->cells = cells;
	if (!cells || !cell.text) {
		free(cell.text);
		table->failed = true;
		return;
	}
	cells[table->nr++] = cell;
}

void table_number(struct table *table, uint64_t n)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%" PRIu64, n);
	table_text(table, buf);
}

void table_count(struct table *table, uint64_t n)
{
	char buf[32];

	table_text(table, human(n, 1000, buf, sizeof(buf)));
}

void table_bytes(struct table *table, uint64_t n)
{
	char buf[32], with_unit[40];

	snprintf(with_unit, sizeof(with_unit), "%sB", human(n, 1024, buf, sizeof(buf)));
	table_text(table, with_unit);
}

void table_nsecs(struct table *table, double ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	char buf[32];
	int i = 0;

	for (; ns >= 1000 && i < 3; i++)
		ns /= 1000;
	snprintf(buf, sizeof(buf), "%.*f%s", i && ns < 100 ? 1 : 0, ns, units[i]);
	table_text(table, ns > 0 ? buf : NULL);
}

static void print_cell(const struct table *table, size_t column, int width, const char *text,
		       int is)
{
	bool last = column == table->nr_columns - 1, right = table->columns[column].number;

	printf("%s%*s%s%*s%s", column ? "  " : "", right ? width - is : 0, "", text,
	       right || last ? 0 : width - is, "", last ? "\n" : "");
}

int table_print(struct table *table)
{
	int *width = calloc(table->nr_columns, sizeof(*width));
	size_t i, columns = table->nr_columns;

	if (width && !table->failed) {
		for (i = 0; i < columns; i++)
			width[i] = (int)strlen(table->columns[i].name);
		for (i = 0; i < table->nr; i++) {
			if (table->cells[i].width > width[i % columns])
				width[i % columns] = table->cells[i].width;
		}
		for (i = 0; i < columns; i++)
			print_cell(table, i, width[i], table->columns[i].name,
				   (int)strlen(table->columns[i].name));
		for (i = 0; i < table->nr; i++)
			print_cell(table, i % columns, width[i % columns], table->cells[i].text,
				   table->cells[i].width);
	} else {
		table->failed = true;
		complain("out of memory");
	}
	for (i = 0; i < table->nr; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(width);
	return table->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
