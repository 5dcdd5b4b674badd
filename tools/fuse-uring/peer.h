/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fuse-uring: what ferry's null backend does, served by FUSE over io_uring. As
 * fuse-peer it exists to be compared with. libfuse is left out, since distributions build
 * it without io_uring; so what is compared with is the bare transport.
 */
#ifndef FUSE_URING_PEER_H
#define FUSE_URING_PEER_H

#include <stddef.h>
#include <stdint.h>

#include <linux/fuse.h>

#define MAX_DATA	(1U << 20)

/** struct lifetime - of attributes and names, as the protocol has it */
struct lifetime {
	uint64_t s;
	uint32_t ns;
};

/** struct peer - the mount; @fd: its /dev/fuse */
struct peer {
	int fd;
	struct lifetime attr;
	struct lifetime entry;
};

/**
 * null_answer() - do a request
 * @op: the fixed struct of its opcode
 * @payload: of @size bytes: names and data; then what is answered
 * Return: bytes of the answer, or -errno
 */
int null_answer(const struct peer *peer, const struct fuse_in_header *in, const void *op,
		char *payload, size_t size);

/**
 * rings_start() - a ring and a thread for each CPU, all of which FUSE wants
 * Return: 0 when the kernel has all of them, or -errno
 */
int rings_start(const struct peer *peer);

#endif
