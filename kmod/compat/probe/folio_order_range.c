// SPDX-License-Identifier: GPL-2.0-only
/*
 * May a mapping bound the size of its folios?
 * Since 6.12, "fs: Allow fine-grained control of folio sizes".
 */
#include <linux/pagemap.h>

void probe(struct address_space *mapping);
void probe(struct address_space *mapping)
{
	mapping_set_folio_order_range(mapping, 0, 4);
}
