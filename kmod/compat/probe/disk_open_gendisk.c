// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is ->open() of a disk given the gendisk?
 * Since 6.5, "block: pass a gendisk to ->open".
 */
#include <linux/blkdev.h>

int probe_open(struct gendisk *disk, blk_mode_t mode);
extern const struct block_device_operations probe;
const struct block_device_operations probe = { .open = probe_open };
