/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The mapped queues of a channel; for wait styles that get their requests there. */
#ifndef FERRY_RING_H
#define FERRY_RING_H

#include "internal.h"

/**
 * struct ferry_slot - one slot, and the request in it
 * @req: what ferry_dispatch() gets; most of it is the same for all requests
 * @msg: request area
 * @desc: in the mapping
 * @data: data area
 * @size: bytes of it
 * @inline_max: see struct ferry_geometry
 * @held: bytes of reply data that lie in @data and were not moved by XFER
 * @tag: the slot's number
 * @fd: endpoint of the thread that fetched the request
 * @answer: enum ferry_answer
 */
struct ferry_slot {
	struct ferry_req req;
	const void *msg;
	struct ferry_desc *desc;
	char *data;
	u32 size;
	u32 inline_max;
	u32 held;
	u32 tag;
	int fd;
	int answer;
} __attribute__((aligned(64)));

/**
 * struct ferry_ring - all queues of a channel
 * @host: of all requests
 * @send: see ferry_ring_open()
 * @slots: by tag
 * @nr_slots: how many
 * @queues: where each is mapped
 * @nr_queues: how many are
 */
struct ferry_ring {
	struct ferry_session *session;
	struct ferry_req_host host;
	void (*send)(struct ferry_req *req);
	struct ferry_slot *slots;
	u32 nr_slots;
	void **queues;
	u32 nr_queues;
};

/*
 * Map the queues of a session's channel into session->loop_data; @send is to send the answers
 * that come when the loop is not there any more. 0, or -errno after a line in the log.
 */
int ferry_ring_open(struct ferry_session *session, void (*send)(struct ferry_req *req));
void ferry_ring_close(struct ferry_session *session);

/* Where a server that spins at @queue is given requests. */
struct ferry_box *ferry_ring_box(const struct ferry_ring *ring, u32 queue);

/* Another server has settled things with the client: let session->server know. */
void ferry_ring_write_notes(const struct ferry_ring *ring);
void ferry_ring_read_notes(const struct ferry_ring *ring);

/* The same of the backend's arguments, NULL for none; what is read is to be freed. */
void ferry_ring_write_args(const struct ferry_ring *ring, const char *args);
char *ferry_ring_read_args(const struct ferry_ring *ring);

/* desc.mark of a slot, as ferry_state_attach() wants to know it; @arg is the ring. */
u64 ferry_ring_mark(void *arg, u32 tag);

/* A request has been fetched through @fd: make ->req of it. NULL: no such tag. */
struct ferry_slot *ferry_ring_take(struct ferry_ring *ring, u32 tag, int fd);

/*
 * Execute what ferry_ring_take() gave, unless a server that died had done so.
 * Return: the caller is to send the answer, whose descriptor is complete; if not, it is
 * sent when the backend has it.
 */
bool ferry_ring_serve(struct ferry_slot *slot);

/* An answer of @arg's slot that @send has sent was not taken. */
void ferry_ring_not_taken(unsigned long arg, int err);

/*
 * Where data lies that came with a request, or is to lie in its reply, @len bytes; NULL if
 * it does not travel in the slot.
 */
void *ferry_ring_data(struct ferry_req *req, u32 *len);

/* Requests that were fetched and not answered. */
unsigned int ferry_ring_pending(struct ferry_session *session);

#endif
