// SPDX-License-Identifier: GPL-2.0-only
/* Disks: how they come, change and go; see block.h. */
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include "compat/block.h"
#include "block/block.h"

static struct workqueue_struct *life_wq;

/* Index -> disk; NULL where there is none yet or no more, but the name is taken. */
static DEFINE_MUTEX(disks_lock);
static DEFINE_IDR(disks);

static void disk_free(struct kref *ref)
{
	struct ferry_disk *disk = container_of(ref, struct ferry_disk, ref);

	mutex_lock(&disks_lock);
	idr_remove(&disks, disk->index);
	mutex_unlock(&disks_lock);
	/* Behind the gendisk, whose queue looks at them to its very end. */
	if (disk->tags.tags)
		blk_mq_free_tag_set(&disk->tags);
	kfree(disk);
	/* The last of the module's text that may run for this disk. */
	module_put(THIS_MODULE);
}

static void disk_put(struct ferry_disk *disk)
{
	kref_put(&disk->ref, disk_free);
}

/* Keep the disk, its gendisk and its channel, whatever becomes of it. */
static void disk_hold(struct ferry_disk *disk)
{
	kref_get(&disk->ref);
	get_device(disk_to_dev(disk->gd));
	ferry_chan_get(disk->chan);
}

static void disk_drop(struct ferry_disk *disk)
{
	ferry_chan_put(disk->chan);
	put_disk(disk->gd);
	disk_put(disk);
}

/* The disk with this number, held, or NULL. */
static struct ferry_disk *disk_find(u32 index)
{
	struct ferry_disk *disk;

	mutex_lock(&disks_lock);
	disk = idr_find(&disks, index);
	if (disk)
		disk_hold(disk);
	mutex_unlock(&disks_lock);
	return disk;
}

static int disk_open(struct gendisk *gd, blk_mode_t mode)
{
	struct ferry_disk *disk = gd->private_data;

	return test_bit(DISK_REMOVING, &disk->state) ? -ENXIO : 0;
}
FERRY_DISK_OPEN(disk_open)

static void disk_release(struct gendisk *gd)
{
	disk_put(gd->private_data);
}

static const struct block_device_operations disk_ops = {
	.owner		= THIS_MODULE,
	.open		= ferry_disk_open(disk_open),
	.free_disk	= disk_release,
};

static struct ferry_disk *disk_of(struct device *dev)
{
	return dev_to_disk(dev)->private_data;
}

static ssize_t backend_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", disk_of(dev)->names);
}
static DEVICE_ATTR_RO(backend);

static ssize_t channel_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", ferry_chan_id(disk_of(dev)->chan));
}
static DEVICE_ATTR_RO(channel);

static ssize_t serial_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", disk_of(dev)->serial);
}
static DEVICE_ATTR_RO(serial);

static struct attribute *disk_attrs[] = {
	&dev_attr_backend.attr,
	&dev_attr_channel.attr,
	&dev_attr_serial.attr,
	NULL
};

static const struct attribute_group disk_group = {
	.name	= "ferry",
	.attrs	= disk_attrs,
};

static const struct attribute_group *disk_groups[] = { &disk_group, NULL };

/* Looks for partitions as well: it reads, and so waits for the server. */
static void add_work(struct work_struct *work)
{
	struct ferry_disk *disk = container_of(work, struct ferry_disk, add_work);

	kref_get(&disk->ref);	/* disk_release()'s */
	disk->err = device_add_disk(NULL, disk->gd, disk_groups);
	if (disk->err)
		disk_put(disk);
	complete_all(&disk->added);
}

static void remove_work(struct work_struct *work)
{
	struct ferry_disk *disk = container_of(work, struct ferry_disk, remove_work);

	wait_for_completion(&disk->added);
	if (ferry_chan_is_dead(disk->chan) && !disk->err)
		blk_mark_disk_dead(disk->gd);
	if (!disk->err)
		del_gendisk(disk->gd);
	ferry_chan_unbind(disk->chan);

	/* Who has found it holds what is given up now. */
	mutex_lock(&disks_lock);
	idr_replace(&disks, NULL, disk->index);
	mutex_unlock(&disks_lock);
	put_disk(disk->gd);
	if (disk->wq)
		destroy_workqueue(disk->wq);
	ferry_chan_put(disk->chan);
	complete_all(&disk->gone);
	disk_put(disk);
}

/* Let the removal begin, unless it has: whoever wins DISK_REMOVING begins it. */
static void disk_remove(struct ferry_disk *disk)
{
	if (!test_and_set_bit(DISK_REMOVING, &disk->state))
		queue_work(life_wq, &disk->remove_work);
}

static void client_dead(void *client)
{
	struct ferry_disk *disk = client;

	/* Not in the table yet: ferry_disk_add() sees to it. */
	if (test_bit(DISK_PUBLISHED, &disk->state))
		disk_remove(disk);
}

static int client_describe(void *client, char *buf, size_t size)
{
	const struct ferry_disk *disk = client;

	return scnprintf(buf, size, "ferryb%u", disk->index);
}

/* The disk or a partition of it, which are of no use to its server: he would wait for himself. */
static bool client_owns(void *client, const struct file *file)
{
	const struct ferry_disk *disk = client;
	struct inode *inode = file->f_mapping->host;

	return S_ISBLK(inode->i_mode) && I_BDEV(inode)->bd_disk == disk->gd;
}

static const struct ferry_client_ops client_ops = {
	.late		= ferry_resize_late,
	.owns		= client_owns,
	.dead		= client_dead,
	.describe	= client_describe,
	/* None names a node: one that was left keeps all others from the disk. */
	.changes	= BIT_ULL(FERRY_BLK_WRITE) | BIT_ULL(FERRY_BLK_DISCARD) |
			  BIT_ULL(FERRY_BLK_WRITE_ZEROES),
};

static int take_index(struct ferry_disk *disk)
{
	int index;

	mutex_lock(&disks_lock);
	index = idr_alloc(&disks, NULL, 0, FERRY_BLK_DISK_MAX, GFP_KERNEL);
	mutex_unlock(&disks_lock);
	if (index < 0)
		return index;
	disk->index = index;
	return 0;
}

/* Ask the server what it has, and make all of the disk that can be made without it. */
static int disk_prepare(struct ferry_disk *disk, const struct ferry_blk_add *how)
{
	struct ferry_blk_init_out geo;
	int err;

	err = ferry_geometry_ask(disk->chan, &geo);
	if (!err)
		err = ferry_geometry_apply(&geo, how);
	if (err)
		return err;
	disk->logical_block = geo.logical_block;
	disk->read_only = geo.flags & FERRY_BLK_READ_ONLY;
	if (geo.flags & FERRY_BLK_DOES_IO) {
		disk->wq = alloc_workqueue("ferryb%u", WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
					   disk->index);
		if (!disk->wq)
			return -ENOMEM;
	}
	err = ferry_tags_alloc(disk, geo.depth, how->timeout, geo.flags & FERRY_BLK_ROTATIONAL);
	if (err)
		goto free_wq;
	disk->gd = ferry_geometry_alloc(&geo, &disk->tags, disk);
	if (IS_ERR(disk->gd)) {
		err = PTR_ERR(disk->gd);
		goto free_wq;
	}
	disk->gd->fops = &disk_ops;
	disk->gd->private_data = disk;
	snprintf(disk->gd->disk_name, DISK_NAME_LEN, "ferryb%u", disk->index);
	ferry_chan_ready(disk->chan, 0);
	return 0;
free_wq:
	if (disk->wq)
		destroy_workqueue(disk->wq);
	return err;
}

/* From here on everybody may see it; the references are remove_work()'s. */
static void disk_publish(struct ferry_disk *disk)
{
	queue_work(life_wq, &disk->add_work);
	mutex_lock(&disks_lock);
	idr_replace(&disks, disk, disk->index);
	mutex_unlock(&disks_lock);
	set_bit(DISK_PUBLISHED, &disk->state);
	smp_mb__after_atomic();		/* pairs with the core's: dead, then dead() */
	if (ferry_chan_is_dead(disk->chan))
		disk_remove(disk);
}

/*
 * Make a disk of @chan, a reference to which is taken over, and wait until it is there.
 * @names: for sysfs. -EINTR: killed meanwhile, and it goes again.
 */
int ferry_disk_add(struct ferry_chan *chan, const struct ferry_blk_add *how, const char *names,
		   u32 *index)
{
	struct ferry_disk *disk;
	int err = -ENOMEM;

	disk = kzalloc(sizeof(*disk), GFP_KERNEL);
	if (!disk)
		goto put_chan;
	__module_get(THIS_MODULE);
	kref_init(&disk->ref);
	disk->chan = chan;
	INIT_WORK(&disk->add_work, add_work);
	INIT_WORK(&disk->remove_work, remove_work);
	init_completion(&disk->added);
	init_completion(&disk->gone);
	ferry_resize_init(disk);
	strscpy(disk->serial, how->serial, sizeof(disk->serial));
	strscpy(disk->names, names, sizeof(disk->names));

	err = take_index(disk);
	if (err)
		goto free_disk;
	err = ferry_chan_bind(chan, &client_ops, disk, current_user_ns());
	if (err)
		goto put_disk;
	err = disk_prepare(disk, how);
	if (err)
		goto unbind;
	disk_hold(disk);
	disk_publish(disk);

	err = wait_for_completion_killable(&disk->added);
	if (!err)
		err = disk->err ?: ferry_chan_is_dead(chan) ? -ENOTCONN : 0;
	if (err) {
		ferry_chan_abort(chan);
		disk_remove(disk);
		wait_for_completion_killable(&disk->gone);
	}
	*index = disk->index;
	disk_drop(disk);
	return err == -ERESTARTSYS ? -EINTR : err;
unbind:
	ferry_chan_unbind(chan);
put_disk:
	ferry_chan_put(chan);
	disk_put(disk);
	return err;
free_disk:
	module_put(THIS_MODULE);
	kfree(disk);
put_chan:
	ferry_chan_put(chan);
	return err;
}

/* Nobody has it open, and nobody will: -EBUSY otherwise. */
static int claim_idle(struct ferry_disk *disk)
{
	struct gendisk *gd = disk->gd;
	int err;

	if (!completion_done(&disk->added))
		return -EBUSY;
	err = mutex_lock_killable(&gd->open_mutex);
	if (err)
		return err;
	if (disk_openers(gd) && !test_bit(DISK_REMOVING, &disk->state))
		err = -EBUSY;
	else
		disk_remove(disk);
	mutex_unlock(&gd->open_mutex);
	return err;
}

int ferry_disk_del(u32 index, bool force)
{
	struct ferry_disk *disk = disk_find(index);
	int err = 0;

	if (!disk)
		return -ENODEV;
	if (force) {
		/* Whoever waits for the server, above all the removal, does no more. */
		ferry_chan_abort(disk->chan);
		disk_remove(disk);
	} else {
		err = claim_idle(disk);
	}
	if (!err)
		err = wait_for_completion_killable(&disk->gone);
	disk_drop(disk);
	return err;
}

/* @bytes: in: wanted, 0: all there is; out: what it has now. */
int ferry_disk_resize(u32 index, u64 *bytes)
{
	struct ferry_disk *disk = disk_find(index);
	int err;

	if (!disk)
		return -ENODEV;
	err = wait_for_completion_killable(&disk->added);
	if (!err && (test_bit(DISK_REMOVING, &disk->state) || disk->err))
		err = -ENODEV;
	if (!err && *bytes % disk->logical_block)
		err = -EINVAL;
	if (!err)
		err = ferry_resize_ask(disk, bytes);
	disk_drop(disk);
	return err;
}

int ferry_disk_init(void)
{
	life_wq = alloc_workqueue("ferryblk", WQ_UNBOUND, 0);
	return life_wq ? 0 : -ENOMEM;
}

void ferry_disk_exit(void)
{
	destroy_workqueue(life_wq);
	idr_destroy(&disks);
}
