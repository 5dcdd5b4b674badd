// SPDX-License-Identifier: GPL-2.0-only
/*
 * Can tagged folios be looked up, not only pages?
 * Since 6.3, "filemap: add filemap_get_folios_tag()".
 */
#include <linux/pagemap.h>

unsigned int probe(struct address_space *mapping, pgoff_t *start, struct folio_batch *batch);
unsigned int probe(struct address_space *mapping, pgoff_t *start, struct folio_batch *batch)
{
	return filemap_get_folios_tag(mapping, start, -1, PAGECACHE_TAG_WRITEBACK, batch);
}
