/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels for kmod/block; see compat.h for the rules. */
#ifndef FERRY_COMPAT_BLOCK_H
#define FERRY_COMPAT_BLOCK_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include "compat/have.h"

#ifdef HAVE_MQ_SHOULD_MERGE
#define FERRY_MQ_MERGE	BLK_MQ_F_SHOULD_MERGE
#else
#define FERRY_MQ_MERGE	0
#endif

#ifndef HAVE_BVEC_ITER_OFFSET
#define bi_offset	bi_bvec_done
#endif

/* A disk with @lim, and with @features, BLK_FEAT_*; or ERR_PTR. */
#ifdef HAVE_ALLOC_DISK_LIMITS
static inline struct gendisk *ferry_alloc_disk(struct blk_mq_tag_set *set,
					       struct queue_limits *lim,
					       blk_features_t features, void *data)
{
	lim->features = features;
	return blk_mq_alloc_disk(set, lim, data);
}
#else
#define BLK_FEAT_WRITE_CACHE	(1U << 0)
#define BLK_FEAT_FUA		(1U << 1)
#define BLK_FEAT_ROTATIONAL	(1U << 2)
typedef unsigned int blk_features_t;

static inline struct gendisk *ferry_alloc_disk(struct blk_mq_tag_set *set,
					       struct queue_limits *lim,
					       blk_features_t features, void *data)
{
	struct gendisk *gd = blk_mq_alloc_disk(set, data);
	struct request_queue *q;

	if (IS_ERR(gd))
		return gd;
	q = gd->queue;
	blk_queue_logical_block_size(q, lim->logical_block_size);
	blk_queue_physical_block_size(q, lim->physical_block_size);
	blk_queue_io_min(q, lim->io_min);
	blk_queue_io_opt(q, lim->io_opt);
	blk_queue_max_hw_sectors(q, lim->max_hw_sectors);
	blk_queue_max_segments(q, lim->max_segments);
	blk_queue_max_segment_size(q, lim->max_segment_size);
	blk_queue_max_discard_sectors(q, lim->max_hw_discard_sectors);
	q->limits.discard_granularity = lim->discard_granularity;
	blk_queue_max_write_zeroes_sectors(q, lim->max_write_zeroes_sectors);
	blk_queue_write_cache(q, features & BLK_FEAT_WRITE_CACHE, features & BLK_FEAT_FUA);
	if (!(features & BLK_FEAT_ROTATIONAL))
		blk_queue_flag_set(QUEUE_FLAG_NONROT, q);
	return gd;
}
#endif

/* For an operation table: wrap @fn, which has the newest type. */
#ifdef HAVE_DISK_OPEN_GENDISK
#define FERRY_DISK_OPEN(fn)
#define ferry_disk_open(fn)	fn
#else
typedef fmode_t blk_mode_t;
#define FERRY_DISK_OPEN(fn)						\
static int fn##_compat(struct block_device *bdev, fmode_t mode)		\
{									\
	return fn(bdev->bd_disk, mode);					\
}
#define ferry_disk_open(fn)	fn##_compat
#endif

#endif
