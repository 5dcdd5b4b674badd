/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Tables for people: columns as wide as what is in them. */
#ifndef FERRY_TABLE_H
#define FERRY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct column {
	const char *name;
	bool number;	/* to the right */
};

/**
 * shown() - a name as it is shown: what cannot be printed in octal, as in /proc/mounts, so that it
 *	makes no line of its own
 * @width: out: columns that it takes
 * Return: to be freed; NULL: there is no memory
 */
char *shown(const char *text, int *width);

struct cell {
	char *text;
	int width;
};

/**
 * struct table - a table that is being filled, cell by cell and row by row
 * @columns: stay until table_print()
 * @cells: of all rows
 * @failed: there was no memory for a cell
 */
struct table {
	const struct column *columns;
	size_t nr_columns;
	struct cell *cells;
	size_t nr;
	bool failed;
};

/* The next cell. */
void table_text(struct table *table, const char *text);		/* NULL or "": "-" */
void table_number(struct table *table, uint64_t n);
void table_count(struct table *table, uint64_t n);			/* 12.3k */
void table_bytes(struct table *table, uint64_t n);			/* 12.3KiB */
void table_nsecs(struct table *table, double ns);			/* 12.3us; 0: "-" */

/**
 * table_print() - print it to stdout, and free it
 * Return: the exit status
 */
int table_print(struct table *table);

#endif
