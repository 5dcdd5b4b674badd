// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has struct folio_batch a header of its own?
 * 7.2 has it; in 6.12 it was still in <linux/pagevec.h>.
 */
#include <linux/folio_batch.h>

void probe(struct folio_batch *batch);
void probe(struct folio_batch *batch)
{
	folio_batch_init(batch);
}
