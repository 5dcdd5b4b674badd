/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ublk-peer: the servers of ublk that ferry's disks are compared with. What they do is what
 * ferry's backends null and ramdisk do: a queue and a thread a CPU, no more.
 */
#ifndef FERRY_UBLK_PEER_H
#define FERRY_UBLK_PEER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include <linux/ublk_cmd.h>

#define QUEUE_DEPTH	64U
#define MAX_DATA	(1U << 20)

/**
 * struct peer - a disk
 * @memory: its contents, or NULL: it reads as zeros, and forgets what is written
 * @size: bytes
 * @id: of the device, by which its files are named
 * @char_fd: /dev/ublkcN, where requests come from
 */
struct peer {
	char *memory;
	uint64_t size;
	uint32_t id;
	unsigned int nr_queues;
	int char_fd;
};

/* control.c. Return: 0 or -errno */
int control_open(void);
int control_add(struct peer *peer);
int control_start(const struct peer *peer);
int control_stop(const struct peer *peer);
int control_del(const struct peer *peer);

/* queues.c: threads that answer until the device is stopped. Return: 0 or -errno */
int queues_start(const struct peer *peer);
void queues_end(void);

#endif
