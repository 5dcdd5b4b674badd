// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is there an iterator over the folios to write back?
 * Since 6.9, "writeback: add a writeback iterator".
 */
#include <linux/writeback.h>

struct folio *probe(struct address_space *mapping, struct writeback_control *wbc, int *error);
struct folio *probe(struct address_space *mapping, struct writeback_control *wbc, int *error)
{
	return writeback_iter(mapping, wbc, NULL, error);
}
