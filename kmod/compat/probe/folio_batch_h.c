// SPDX-License-Identifier: GPL-2.0-only
/* 7.x, "mm: split folio_batch from pagevec" */
#include <linux/folio_batch.h>

void probe(struct folio_batch *batch);
void probe(struct folio_batch *batch)
{
	folio_batch_init(batch);
}
