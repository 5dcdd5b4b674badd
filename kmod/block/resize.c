// SPDX-License-Identifier: GPL-2.0-only
/*
 * The size of a disk. Its server may change it whether anybody hears its answer or not, so
 * whoever asks may be killed, and go, but what he asked for stays under way, and the next one
 * waits for its end: sizes are set in the order in which the server was asked for them. It is
 * a deadline alone that lets another one be asked before the answer.
 */
#include "block/block.h"

/* As the core's callers wait; FREEZABLE as its server is frozen first, UNSAFE for @ask_lock. */
#define WAIT_STATE	(TASK_KILLABLE | TASK_FREEZABLE_UNSAFE)

/* Where whoever added the disk wanted larger blocks than its server has there may be a rest. */
static u64 whole_blocks(const struct ferry_disk *disk, u64 size)
{
	return size - size % disk->logical_block;
}

/* Under ->size_lock. */
static int set_size(struct ferry_disk *disk, u64 size)
{
	if (size % SECTOR_SIZE || size >> 62 || !whole_blocks(disk, size))
		return -EPROTO;
	set_capacity_and_notify(disk->gd, whole_blocks(disk, size) >> SECTOR_SHIFT);
	return 0;
}

static void resize_end(struct ferry_args *args, int err)
{
	struct ferry_disk *disk = container_of(args, struct ferry_disk, resize.args);

	if (!err) {
		mutex_lock(&disk->resize.size_lock);
		err = set_size(disk, disk->resize.out.size);
		disk->resize.unheard = false;
		mutex_unlock(&disk->resize.size_lock);
	}
	disk->resize.err = err;
	complete_all(&disk->resize.over);
}

/*
 * The deadline of one has passed, but the server has changed the size. If another one was
 * answered meanwhile that one counts.
 */
void ferry_resize_late(void *client, const struct ferry_late *late)
{
	const struct ferry_blk_resize *resize = late->out;
	struct ferry_disk *disk = client;

	if (late->opcode != FERRY_BLK_RESIZE || late->out_len != sizeof(*resize))
		return;
	mutex_lock(&disk->resize.size_lock);
	if (disk->resize.unheard)
		set_size(disk, resize->size);
	mutex_unlock(&disk->resize.size_lock);
}

/* Nothing is under way; under ->ask_lock. */
static void submit(struct ferry_disk *disk, u64 bytes)
{
	struct ferry_args *args = &disk->resize.args;

	mutex_lock(&disk->resize.size_lock);
	disk->resize.unheard = true;
	mutex_unlock(&disk->resize.size_lock);
	reinit_completion(&disk->resize.over);
	disk->resize.in = (struct ferry_blk_resize){ .size = bytes };
	*args = (struct ferry_args){
		.opcode = FERRY_BLK_RESIZE,
		.nr_in = 1,
		.in[0] = { &disk->resize.in, sizeof(disk->resize.in) },
		.nr_out = 1,
		.out[0] = { &disk->resize.out, sizeof(disk->resize.out) },
		.end = resize_end,
	};
	ferry_submit(disk->chan, args);
}

/* @bytes: as ferry_disk_resize(). -ERESTARTSYS: killed, and the server is to do it all the same. */
int ferry_resize_ask(struct ferry_disk *disk, u64 *bytes)
{
	int err = mutex_lock_killable(&disk->resize.ask_lock);

	if (err)
		return err;
	err = wait_for_completion_state(&disk->resize.over, WAIT_STATE);
	if (!err) {
		submit(disk, *bytes);
		err = wait_for_completion_state(&disk->resize.over, WAIT_STATE);
	}
	if (!err)
		err = disk->resize.err;
	if (!err)
		*bytes = whole_blocks(disk, disk->resize.out.size);
	mutex_unlock(&disk->resize.ask_lock);
	return err;
}

void ferry_resize_init(struct ferry_disk *disk)
{
	mutex_init(&disk->resize.ask_lock);
	mutex_init(&disk->resize.size_lock);
	init_completion(&disk->resize.over);
	complete_all(&disk->resize.over);
}
