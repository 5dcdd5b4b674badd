// SPDX-License-Identifier: GPL-2.0-only
/* Requests of the block layer -> requests of a channel. */
#include <linux/bvec.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include "compat/block.h"
#include "block/block.h"

#define LOCAL_DEPTH	128
#define TIMEOUT_DEFAULT	30	/* seconds */

/**
 * struct disk_cmd - what is ours of a request
 * @args: the core's from submission to ->end()
 * @io: the message
 * @iter: the request's pages
 * @bvec: backs @iter where more than one bio was merged, else NULL
 * @work: goes on with it, on ferry_disk.wq
 */
struct disk_cmd {
	struct ferry_args	args;
	struct ferry_blk_io	io;
	struct iov_iter		iter;
	struct bio_vec		*bvec;
	struct work_struct	work;
};

/*
 * What a server may say to those above. Of the rest some would have a meaning of its own
 * there ("try again", "no memory"), which is not the server's to give.
 */
static blk_status_t to_status(int err)
{
	switch (err) {
	case 0:
	case -EOPNOTSUPP:
	case -ETIMEDOUT:
	case -ENOSPC:
	case -ENOLINK:
	case -EREMOTEIO:
	case -ENODATA:
	case -EILSEQ:
		return errno_to_blk_status(err);
	default:
		return BLK_STS_IOERR;
	}
}

static void cmd_end(struct ferry_args *args, int err)
{
	struct disk_cmd *cmd = container_of(args, struct disk_cmd, args);

	if (!err && args->flags & FERRY_ARGS_DATA_OUT && args->data_done != args->data_len)
		err = -EIO;
	kfree(cmd->bvec);
	blk_mq_end_request(blk_mq_rq_from_pdu(cmd), to_status(err));
}

/* @cmd->iter over the pages of @rq. */
static int map_pages(struct disk_cmd *cmd, struct request *rq)
{
	unsigned int dir = rq_data_dir(rq) == WRITE ? ITER_SOURCE : ITER_DEST;
	const struct bio *bio = rq->bio;
	struct req_iterator iter;
	unsigned int nr = 0;
	struct bio_vec bv;

	if (likely(req_bvec(rq).bv_len == blk_rq_bytes(rq)))
		nr = 1;
	else
		rq_for_each_bvec(bv, rq, iter)
			nr++;
	if (bio == rq->biotail) {
		iov_iter_bvec(&cmd->iter, dir, __bvec_iter_bvec(bio->bi_io_vec, bio->bi_iter), nr,
			      blk_rq_bytes(rq));
		cmd->iter.iov_offset = bio->bi_iter.bi_offset;
		return 0;
	}
	cmd->bvec = kmalloc_array(nr, sizeof(*cmd->bvec), GFP_NOWAIT | __GFP_NOWARN);
	if (!cmd->bvec)
		return -ENOMEM;
	nr = 0;
	rq_for_each_bvec(bv, rq, iter)
		cmd->bvec[nr++] = bv;
	iov_iter_bvec(&cmd->iter, dir, cmd->bvec, nr, blk_rq_bytes(rq));
	return 0;
}

/* The server's I/O is for reclaim's sake, maybe: it waits for no other. */
static void cmd_work(struct work_struct *work)
{
	struct disk_cmd *cmd = container_of(work, struct disk_cmd, work);
	struct request *rq = blk_mq_rq_from_pdu(cmd);
	struct ferry_disk *disk = rq->q->queuedata;
	unsigned int throttle = current->flags & PF_LOCAL_THROTTLE;
	unsigned int noio = memalloc_noio_save();

	current->flags |= PF_LOCAL_THROTTLE;
	ferry_submit_deferred(disk->chan, &cmd->args);
	current->flags = (current->flags & ~PF_LOCAL_THROTTLE) | throttle;
	memalloc_noio_restore(noio);
}

static void cmd_defer(struct ferry_args *args)
{
	struct disk_cmd *cmd = container_of(args, struct disk_cmd, args);
	struct ferry_disk *disk = blk_mq_rq_from_pdu(cmd)->q->queuedata;

	INIT_WORK(&cmd->work, cmd_work);
	queue_work(disk->wq, &cmd->work);
}

static blk_status_t fill(struct ferry_disk *disk, struct disk_cmd *cmd, struct request *rq)
{
	struct ferry_args *args = &cmd->args;

	/* The block layer stops files at a read-only disk, but not the device mapper. */
	if (unlikely(disk->read_only) && op_is_write(req_op(rq)))
		return BLK_STS_IOERR;
	cmd->bvec = NULL;
	cmd->io = (struct ferry_blk_io) {
		.offset = (u64)blk_rq_pos(rq) << SECTOR_SHIFT,
		.length = blk_rq_bytes(rq),
	};
	memset(args, 0, offsetof(struct ferry_args, core));
	args->end = cmd_end;
	args->defer = disk->wq ? cmd_defer : NULL;
	args->nr_in = 1;
	args->in[0].p = &cmd->io;
	args->in[0].len = sizeof(cmd->io);

	switch (req_op(rq)) {
	case REQ_OP_READ:
		args->opcode = FERRY_BLK_READ;
		args->flags = FERRY_ARGS_DATA_OUT | FERRY_ARGS_LOOKS;
		break;
	case REQ_OP_WRITE:
		args->opcode = FERRY_BLK_WRITE;
		args->flags = FERRY_ARGS_DATA_IN | FERRY_ARGS_LOOKS;
		if (rq->cmd_flags & REQ_FUA)
			cmd->io.flags = FERRY_BLK_FUA;
		break;
	case REQ_OP_FLUSH:
		args->opcode = FERRY_BLK_FLUSH;
		args->nr_in = 0;
		return BLK_STS_OK;
	case REQ_OP_DISCARD:
		args->opcode = FERRY_BLK_DISCARD;
		return BLK_STS_OK;
	case REQ_OP_WRITE_ZEROES:
		args->opcode = FERRY_BLK_WRITE_ZEROES;
		if (rq->cmd_flags & REQ_FUA)
			cmd->io.flags = FERRY_BLK_FUA;
		if (rq->cmd_flags & REQ_NOUNMAP)
			cmd->io.flags |= FERRY_BLK_KEEP;
		return BLK_STS_OK;
	default:
		return BLK_STS_NOTSUPP;
	}
	if (map_pages(cmd, rq))
		return BLK_STS_RESOURCE;
	args->data = &cmd->iter;
	args->data_len = blk_rq_bytes(rq);
	return BLK_STS_OK;
}

static blk_status_t queue_rq(struct blk_mq_hw_ctx *hctx, const struct blk_mq_queue_data *bd)
{
	struct ferry_disk *disk = hctx->queue->queuedata;
	struct disk_cmd *cmd = blk_mq_rq_to_pdu(bd->rq);
	blk_status_t status = fill(disk, cmd, bd->rq);
	unsigned int noio;

	if (unlikely(status))
		return status;
	blk_mq_start_request(bd->rq);
	noio = memalloc_noio_save();
	ferry_submit(disk->chan, &cmd->args);
	memalloc_noio_restore(noio);
	return BLK_STS_OK;
}

/* Who cannot be taken back is being answered, or there is no server to blame. */
static enum blk_eh_timer_return timeout(struct request *rq)
{
	struct ferry_disk *disk = rq->q->queuedata;
	struct disk_cmd *cmd = blk_mq_rq_to_pdu(rq);

	return ferry_cancel(disk->chan, &cmd->args, -ETIMEDOUT) ? BLK_EH_DONE :
								    BLK_EH_RESET_TIMER;
}

/* As ferry_queue_pick() does, so that a hardware queue's tags are a server queue's slots. */
static void map_queues(struct blk_mq_tag_set *tags)
{
	struct blk_mq_queue_map *map = &tags->map[HCTX_TYPE_DEFAULT];
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		map->mq_map[cpu] = map->queue_offset + cpu % map->nr_queues;
}

static const struct blk_mq_ops queue_ops = {
	.queue_rq	= queue_rq,
	.timeout	= timeout,
	.map_queues	= map_queues,
};

/* In seconds @timeout; 0: our choice, as with @depth. */
int ferry_tags_alloc(struct ferry_disk *disk, u32 depth, u32 timeout, bool rotational)
{
	bool local = ferry_chan_is_local(disk->chan);
	struct blk_mq_tag_set *tags = &disk->tags;

	tags->ops = &queue_ops;
	tags->nr_hw_queues = local ? num_online_cpus() :
				     min_t(u32, ferry_chan_queues(disk->chan), nr_cpu_ids);
	tags->queue_depth = depth ?: local ? LOCAL_DEPTH : ferry_chan_depth(disk->chan);
	tags->timeout = (timeout ?: TIMEOUT_DEFAULT) * HZ;
	tags->numa_node = NUMA_NO_NODE;
	tags->cmd_size = sizeof(struct disk_cmd);
	tags->driver_data = disk;
	/*
	 * A server in the kernel is a function that may sleep, and it may come there any time. A CPU
	 * that goes does not wait for answers: they come from whichever the server is on.
	 */
	tags->flags = FERRY_MQ_MERGE | BLK_MQ_F_BLOCKING | BLK_MQ_F_STACKING;
	if (!rotational)
		tags->flags |= BLK_MQ_F_NO_SCHED_BY_DEFAULT;
	return blk_mq_alloc_tag_set(tags);
}
