// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does __filemap_get_folio() take the wanted size, and return ERR_PTR() on failure?
 * Since 6.6, "filemap: Allow __filemap_get_folio to allocate large folios".
 */
#include <linux/pagemap.h>

struct folio *probe(struct address_space *mapping, size_t len);
struct folio *probe(struct address_space *mapping, size_t len)
{
	return __filemap_get_folio(mapping, 0, FGP_WRITEBEGIN | fgf_set_order(len), GFP_KERNEL);
}
