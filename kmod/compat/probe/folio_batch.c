// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has struct folio_batch a header of its own?
 * Between 6.12 and 7.2, "folio_batch: rename pagevec.h to folio_batch.h".
 */
#include <linux/folio_batch.h>

void probe(struct folio_batch *batch);
void probe(struct folio_batch *batch)
{
	folio_batch_init(batch);
}
