// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do disks get their limits and features when they are allocated?
 * Since 6.9, "block: pass a queue_limits argument to blk_mq_alloc_disk"; features since 6.11,
 * "block: move cache control settings out of queue->flags".
 */
#include <linux/blk-mq.h>

struct gendisk *probe(struct blk_mq_tag_set *set);
struct gendisk *probe(struct blk_mq_tag_set *set)
{
	struct queue_limits lim = { .features = BLK_FEAT_WRITE_CACHE };

	return blk_mq_alloc_disk(set, &lim, NULL);
}
