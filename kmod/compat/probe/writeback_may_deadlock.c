// SPDX-License-Identifier: GPL-2.0-only
/*
 * Can a mapping say that reclaim and migration must not wait for its write-back?
 * Since 6.16, AS_WRITEBACK_MAY_DEADLOCK_ON_RECLAIM.
 */
#include <linux/pagemap.h>

void probe(struct address_space *mapping);
void probe(struct address_space *mapping)
{
	mapping_set_writeback_may_deadlock_on_reclaim(mapping);
}
