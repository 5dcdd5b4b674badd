// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is an iterator's place in its bvec called bi_offset?
 * Between 7.2 and 7.3; it was bi_bvec_done.
 */
#include <linux/bvec.h>

unsigned int probe(const struct bvec_iter *iter);
unsigned int probe(const struct bvec_iter *iter)
{
	return iter->bi_offset;
}
