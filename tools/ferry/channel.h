/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Channels, as the module's netlink family tells about them. */
#ifndef FERRY_CHANNEL_H
#define FERRY_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include <linux/ferry.h>

/* One message of FERRY_CMD_CHAN_GET; see enum ferry_attr_id for the fields. */
struct channel {
	uint32_t id;
	uint32_t class;
	uint32_t placement;
	uint32_t state;
	uint32_t queues;
	uint32_t depth;
	uint32_t flags;
	uint32_t pid;
	uint64_t requests;
	uint64_t errors;
	uint64_t bytes_in;
	uint64_t bytes_out;
	char name[FERRY_NAME_MAX];
	char client[32];
};

/**
 * channels_get() - all channels
 * @channels: to be freed; NULL if there are none
 * Return: 0, -ENODEV: the module is not loaded, or another -errno
 */
int channels_get(struct channel **channels, size_t *nr);

#endif
