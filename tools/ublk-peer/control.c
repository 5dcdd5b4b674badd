// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The device's life: commands to /dev/ublk-control, one at a time. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <liburing.h>

#include "peer.h"

static struct io_uring ring;
static int control_fd = -1;

int control_open(void)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SQE128 };

	control_fd = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
	if (control_fd < 0)
		return -errno;
	return io_uring_queue_init_params(2, &ring, &params);
}

static int command(uint32_t op, uint32_t id, const struct ublksrv_ctrl_cmd *args)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	struct ublksrv_ctrl_cmd cmd = *args;
	struct io_uring_cqe *cqe;
	int ret;

	assert(sqe);
	/* Entries are twice as large as the struct is, in this ring. */
	memset((void *)sqe, 0, 128);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = control_fd;
	sqe->cmd_op = op;
	cmd.dev_id = id;
	cmd.queue_id = (uint16_t)-1;
	memcpy((void *)sqe->cmd, &cmd, sizeof(cmd));
	ret = io_uring_submit(&ring);
	if (ret >= 0)
		ret = io_uring_wait_cqe(&ring, &cqe);
	if (ret < 0)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return ret < 0 ? ret : 0;
}

static int set_params(const struct peer *peer)
{
	struct ublk_params params = {
		.len = sizeof(params),
		.types = UBLK_PARAM_TYPE_BASIC,
		.basic = {
			.logical_bs_shift = 9,
			.physical_bs_shift = 12,
			.io_min_shift = 12,
			.io_opt_shift = 12,
			.max_sectors = MAX_DATA >> 9,
			.dev_sectors = peer->size >> 9,
		},
	};
	struct ublksrv_ctrl_cmd args = { .addr = (uintptr_t)&params, .len = sizeof(params) };

	return command(UBLK_U_CMD_SET_PARAMS, peer->id, &args);
}

/* Afterwards peer->id is the device's. */
int control_add(struct peer *peer)
{
	struct ublksrv_ctrl_dev_info info = {
		.nr_hw_queues = (uint16_t)peer->nr_queues,
		.queue_depth = QUEUE_DEPTH,
		.max_io_buf_bytes = MAX_DATA,
		.dev_id = (uint32_t)-1,
		.flags = UBLK_F_CMD_IOCTL_ENCODE,
	};
	struct ublksrv_ctrl_cmd args = { .addr = (uintptr_t)&info, .len = sizeof(info) };
	int err = command(UBLK_U_CMD_ADD_DEV, (uint32_t)-1, &args);

	if (err)
		return err;
	peer->id = info.dev_id;
	peer->nr_queues = info.nr_hw_queues;
	err = set_params(peer);
	if (err)
		control_del(peer);
	return err;
}

/* Returns when the disk is there and its partitions were looked for: the queues must run. */
int control_start(const struct peer *peer)
{
	struct ublksrv_ctrl_cmd args = { .data[0] = (uint64_t)getpid() };

	return command(UBLK_U_CMD_START_DEV, peer->id, &args);
}

int control_stop(const struct peer *peer)
{
	struct ublksrv_ctrl_cmd args = { 0 };

	return command(UBLK_U_CMD_STOP_DEV, peer->id, &args);
}

/* Returns when nobody has the device open any more. */
int control_del(const struct peer *peer)
{
	struct ublksrv_ctrl_cmd args = { 0 };

	return command(UBLK_U_CMD_DEL_DEV, peer->id, &args);
}
