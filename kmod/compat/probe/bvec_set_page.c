// SPDX-License-Identifier: GPL-2.0-only
/* 6.3, d58cdfae6a22 "block: factor out a bvec_set_page helper" */
#include <linux/bvec.h>

void probe(struct bio_vec *bv, struct page *page);
void probe(struct bio_vec *bv, struct page *page)
{
	bvec_set_page(bv, page, 1, 0);
}
