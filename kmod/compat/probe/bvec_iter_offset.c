// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is an iterator's place in its bvec called bi_offset?
 * It was bi_bvec_done. Seen in <linux/bvec.h> of 7.3, not of 7.2; the change by name: unknown.
 */
#include <linux/bvec.h>

unsigned int probe(const struct bvec_iter *iter);
unsigned int probe(const struct bvec_iter *iter)
{
	return iter->bi_offset;
}
