// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory that is shared with a server: the one file that touches it. Nothing
 * in it is believed: a descriptor is read once, field by field, and checked by
 * whoever asked for it; the reply's structs are copied out before anybody looks
 * at them.
 */
#include <linux/fuse.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sizes.h>
#include "core/queue.h"

/*
 * Room for the longest messages: a symlink's name and target, and a readlink's
 * answer; what is left takes a page of data's worth of growth.
 */
#define MSG_AREA	(2 * PAGE_SIZE)

/* Memory that the queues of one channel may take. */
#define QUEUES_MAX_BYTES	SZ_1G

/* Fill in the layout that @geo's nr_queues, depth and data_size lead to. */
int ferry_ring_geometry(struct ferry_geometry *geo)
{
	size_t desc, size;

	if (geo->nr_queues > FERRY_QUEUES_MAX || geo->depth > FERRY_DEPTH_MAX ||
	    geo->nr_queues * geo->depth > FERRY_TAGS_MAX || geo->data_size > FERRY_DATA_MAX)
		return -EINVAL;

	geo->data_size = PAGE_ALIGN(geo->data_size);
	geo->box_off = 0;
	geo->desc_off = sizeof(struct ferry_box);
	geo->note_off = geo->desc_off + geo->depth * sizeof(struct ferry_desc);
	geo->req_size = MSG_AREA;
	geo->rep_off = MSG_AREA;
	geo->rep_size = MSG_AREA;
	geo->data_off = 2 * MSG_AREA;
	geo->slot_size = geo->data_off + geo->data_size;

	desc = PAGE_ALIGN(geo->note_off + FERRY_NOTE_SIZE);
	geo->slot_off = desc;
	size = size_add(desc, size_mul(geo->depth, geo->slot_size));
	if (size > INT_MAX || size_mul(size, geo->nr_queues) > QUEUES_MAX_BYTES)
		return -EINVAL;
	geo->queue_size = size;
	return 0;
}

static struct ferry_box *queue_box(const struct ferry_queue *q)
{
	return q->mem + q->chan->geo.box_off;
}

/* Where the queue's and the slots' shared halves are. */
void ferry_ring_init(struct ferry_queue *q)
{
	const struct ferry_geometry *geo = &q->chan->geo;
	u32 i;

	WRITE_ONCE(queue_box(q)->box, FERRY_BOX_NONE);
	for (i = 0; i < q->depth; i++) {
		q->slots[i].desc = q->mem + geo->desc_off + i * sizeof(struct ferry_desc);
		q->slots[i].shared = q->mem + geo->slot_off + (size_t)i * geo->slot_size;
	}
}

void *ferry_ring_request(struct ferry_slot *slot)
{
	return slot->shared;
}

void *ferry_ring_reply(struct ferry_slot *slot)
{
	return slot->shared + slot->queue->chan->geo.rep_off;
}

void *ferry_ring_data(struct ferry_slot *slot)
{
	return slot->shared + slot->queue->chan->geo.data_off;
}

u32 ferry_ring_message_size(const struct ferry_args *args)
{
	size_t len = sizeof(struct fuse_in_header);
	unsigned int i;

	for (i = 0; i < args->nr_in; i++)
		len = size_add(len, args->in[i].len);
	return min_t(size_t, len, U32_MAX);
}

/*
 * Most of what crosses here is a struct of some ten words, for which a string
 * instruction takes longer to begin than a loop to end.
 */
static void copy_struct(void *to, const void *from, size_t len)
{
	const u64 *src = from;
	u64 *dst = to;

	if (len % sizeof(u64) || len > 16 * sizeof(u64)) {
		memcpy(to, from, len);
		return;
	}
	for (; len >= 2 * sizeof(u64); len -= 2 * sizeof(u64)) {
		dst[0] = READ_ONCE(src[0]);
		dst[1] = READ_ONCE(src[1]);
		src += 2;
		dst += 2;
	}
	if (len)
		*dst = READ_ONCE(*src);
}

/* Message and descriptor of @args, @len bytes; before the slot is handed over. */
void ferry_ring_write(struct ferry_slot *slot, const struct ferry_args *args, u32 len)
{
	const struct ferry_chan *chan = slot->queue->chan;
	struct fuse_in_header *h = ferry_ring_request(slot);
	const struct ferry_ids ids = ferry_ids_of(chan, args);
	struct ferry_desc *desc = slot->desc;
	void *p = h + 1;
	u32 flags = 0;
	unsigned int i;

	h->len = len + (args->flags & FERRY_ARGS_DATA_IN ? args->data_len : 0);
	h->opcode = args->opcode;
	h->unique = slot->unique;
	h->nodeid = args->node;
	h->total_extlen = 0;
	h->padding = 0;
	h->uid = ids.uid;
	h->gid = ids.gid;
	h->pid = ids.pid;
	for (i = 0; i < args->nr_in; i++) {
		copy_struct(p, args->in[i].p, args->in[i].len);
		p += args->in[i].len;
	}

	if (args->flags & FERRY_ARGS_DATA_IN)
		flags = FERRY_DESC_DATA_IN | (slot->in_slot ? FERRY_DESC_IN_SLOT : 0);
	else if (args->flags & FERRY_ARGS_DATA_OUT)
		flags = FERRY_DESC_DATA_OUT;
	WRITE_ONCE(desc->flags, flags);
	WRITE_ONCE(desc->req_len, len);
	WRITE_ONCE(desc->data_len, flags ? (u32)args->data_len : 0);
	WRITE_ONCE(desc->wait, 1);
	WRITE_ONCE(desc->error, 0);
	WRITE_ONCE(desc->done, 0);
	WRITE_ONCE(desc->rep_len, 0);
	WRITE_ONCE(desc->rep_data, 0);
}

void ferry_ring_read_reply(struct ferry_slot *slot, struct ferry_reply *reply)
{
	struct ferry_desc *desc = slot->desc;

	reply->error = READ_ONCE(desc->error);
	reply->rep_len = READ_ONCE(desc->rep_len);
	reply->data = READ_ONCE(desc->rep_data);
}

/* Does somebody claim to spin at @q, on another CPU than this? */
bool ferry_ring_spinning(const struct ferry_queue *q)
{
	const struct ferry_box *box = queue_box(q);

	return READ_ONCE(box->box) == FERRY_BOX_SPINNING &&
	       READ_ONCE(box->cpu) != raw_smp_processor_id();
}

/* Does a server of @q spin when it has nothing to do, and did it so on another CPU than this? */
bool ferry_ring_spins_elsewhere(const struct ferry_queue *q)
{
	return ferry_spins(q->chan) &&
	       READ_ONCE(queue_box(q)->cpu) != raw_smp_processor_id();
}

/* Give @tag to the server that spins at @q; a full barrier if that succeeds. */
bool ferry_ring_post(struct ferry_queue *q, u32 tag)
{
	return cmpxchg(&queue_box(q)->box, FERRY_BOX_SPINNING, tag) == FERRY_BOX_SPINNING;
}

void ferry_ring_tell_pending(struct ferry_queue *q, u32 nr)
{
	WRITE_ONCE(queue_box(q)->pending, nr);
}

/* The server is dead: nobody spins at @q. What was in the box is still FETCHED. */
void ferry_ring_forget_spinner(struct ferry_queue *q)
{
	WRITE_ONCE(queue_box(q)->box, FERRY_BOX_NONE);
}

/* @slot goes to another server; its reply half stays, for that one to look at. */
void ferry_ring_write_again(struct ferry_slot *slot)
{
	struct ferry_desc *desc = slot->desc;

	WRITE_ONCE(desc->flags, READ_ONCE(desc->flags) | FERRY_DESC_AGAIN);
	WRITE_ONCE(desc->wait, 1);
	WRITE_ONCE(desc->done, 0);
}

/* Pairs with the release by which the server sets it: the reply is complete. */
bool ferry_ring_is_done(const struct ferry_slot *slot)
{
	return smp_load_acquire(&slot->desc->done) == 1;
}

void ferry_ring_clear_done(struct ferry_slot *slot)
{
	WRITE_ONCE(slot->desc->done, 0);
}

void ferry_ring_set_wait(struct ferry_slot *slot, bool wait)
{
	WRITE_ONCE(slot->desc->wait, wait);
}

/* Copy @len bytes of reply structs, checked against the sum of args->out. */
void ferry_ring_read_out(struct ferry_slot *slot, struct ferry_args *args, u32 len)
{
	const void *p = ferry_ring_reply(slot);
	unsigned int i;

	args->out_len = len;
	for (i = 0; i < args->nr_out && len; i++) {
		u32 n = min(len, args->out[i].len);

		copy_struct(args->out[i].p, p, n);
		p += n;
		len -= n;
	}
}
