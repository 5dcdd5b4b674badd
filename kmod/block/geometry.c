// SPDX-License-Identifier: GPL-2.0-only
/* What a disk is like: what its server says, what its maker wants, and queue limits. */
#include <linux/log2.h>
#include <linux/mm.h>
#include "compat/block.h"
#include "block/block.h"

#define IO_MAX		(1U << 30)	/* of io_min, io_opt and the physical block */
#define SIZE_MAX_LOG2	62
#define FLAGS		(FERRY_BLK_READ_ONLY | FERRY_BLK_ROTATIONAL | FERRY_BLK_HAS_FLUSH |	\
			 FERRY_BLK_HAS_FUA | FERRY_BLK_HAS_DISCARD | FERRY_BLK_HAS_ZEROES |	\
			 FERRY_BLK_DOES_IO)

static bool blocks_ok(const struct ferry_blk_init_out *geo)
{
	return is_power_of_2(geo->logical_block) && geo->logical_block >= SECTOR_SIZE &&
	       geo->logical_block <= 4096 &&
	       is_power_of_2(geo->physical_block) && geo->physical_block >= geo->logical_block &&
	       geo->physical_block <= IO_MAX &&
	       geo->io_min && geo->io_min % geo->physical_block == 0 && geo->io_min <= IO_MAX &&
	       geo->io_opt % geo->io_min == 0 && geo->io_opt <= IO_MAX &&
	       geo->size && geo->size % geo->logical_block == 0 && !(geo->size >> SIZE_MAX_LOG2);
}

/* The INIT exchange. Return: 0, -EPROTO: the answer makes no sense, or as ferry_call() */
int ferry_geometry_ask(struct ferry_chan *chan, struct ferry_blk_init_out *geo)
{
	struct ferry_blk_init_in in = {
		.version = FERRY_BLK_VERSION,
		.max_transfer = FERRY_BLK_TRANSFER_MAX,
	};
	struct ferry_args args = {
		.opcode = FERRY_BLK_INIT,
		.flags = FERRY_ARGS_INIT | FERRY_ARGS_NO_CRED,
		.nr_in = 1,
		.in[0] = { &in, sizeof(in) },
		.nr_out = 1,
		.out[0] = { geo, sizeof(*geo) },
	};
	int err = ferry_call(chan, &args);

	if (err)
		return err;
	if (geo->version != FERRY_BLK_VERSION || geo->flags & ~FLAGS || !blocks_ok(geo) ||
	    geo->max_transfer < 4096 || geo->max_transfer % 4096 ||
	    geo->max_transfer > FERRY_BLK_TRANSFER_MAX || geo->depth > FERRY_BLK_DEPTH_MAX ||
	    memchr_inv(geo->reserved, 0, sizeof(geo->reserved)))
		return -EPROTO;
	return 0;
}

/* Put @how's wishes into @geo; -EINVAL if that cannot be. */
int ferry_geometry_apply(struct ferry_blk_init_out *geo, const struct ferry_blk_add *how)
{
	u32 logical = geo->logical_block;

	geo->flags |= how->flags;
	geo->depth = how->depth ?: geo->depth;
	geo->logical_block = how->logical_block ?: logical;
	if (!is_power_of_2(geo->logical_block) || geo->logical_block < logical)
		return -EINVAL;
	geo->physical_block = how->physical_block ?: max(geo->physical_block, geo->logical_block);
	geo->io_min = how->io_min ?: max(geo->io_min, geo->physical_block);
	geo->io_opt = how->io_opt ?: geo->io_opt - geo->io_opt % geo->io_min;
	return blocks_ok(geo) ? 0 : -EINVAL;
}

struct gendisk *ferry_geometry_alloc(const struct ferry_blk_init_out *geo,
				     struct blk_mq_tag_set *tags, void *data)
{
	/* The longest length that is whole blocks of any size. */
	const u32 many = (UINT_MAX & -4096U) >> SECTOR_SHIFT;
	struct queue_limits lim = {
		.logical_block_size = geo->logical_block,
		.physical_block_size = geo->physical_block,
		.io_min = geo->io_min,
		.io_opt = geo->io_opt,
		.max_hw_sectors = geo->max_transfer >> SECTOR_SHIFT,
		.max_segments = max(geo->max_transfer / PAGE_SIZE, 1UL),
		.max_segment_size = UINT_MAX,
		.max_hw_discard_sectors = geo->flags & FERRY_BLK_HAS_DISCARD ? many : 0,
		.discard_granularity = geo->flags & FERRY_BLK_HAS_DISCARD ?
				       geo->physical_block : 0,
		.max_write_zeroes_sectors = geo->flags & FERRY_BLK_HAS_ZEROES ? many : 0,
	};
	blk_features_t features = 0;
	struct gendisk *gd;

	if (geo->flags & FERRY_BLK_HAS_FLUSH)
		features |= BLK_FEAT_WRITE_CACHE;
	if (geo->flags & FERRY_BLK_HAS_FLUSH && geo->flags & FERRY_BLK_HAS_FUA)
		features |= BLK_FEAT_FUA;
	if (geo->flags & FERRY_BLK_ROTATIONAL)
		features |= BLK_FEAT_ROTATIONAL;
	gd = ferry_alloc_disk(tags, &lim, features, data);
	if (!IS_ERR(gd)) {
		set_capacity(gd, geo->size >> SECTOR_SHIFT);
		set_disk_ro(gd, geo->flags & FERRY_BLK_READ_ONLY);
	}
	return gd;
}
