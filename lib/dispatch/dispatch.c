// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Requests and servers of whatever class: what is asked of them and how a
 * request ends.
 */
#include "dispatch.h"

void ferry_dispatch(struct ferry_req *req)
{
	req->error = 0;
	req->out_len = 0;
	req->pushed = 0;
	req->no_reply = false;
	req->answered = false;

	if (unlikely(req->opcode >= FERRY_OP_CORE)) {
		if (req->host->control)
			req->host->control(req);
		else
			ferry_reply_err(req, -ENOSYS);
		return;
	}
	switch (req->class) {
	case FERRY_CLASS_FS:
		ferry_fs_dispatch(req);
		break;
	case FERRY_CLASS_BLOCK:
		ferry_block_dispatch(req);
		break;
	default:
		ferry_reply_err(req, -EOPNOTSUPP);
	}
}
FERRY_EXPORT(ferry_dispatch);

enum ferry_change ferry_req_change(const struct ferry_req *req)
{
	switch (req->class) {
	case FERRY_CLASS_FS:
		return ferry_fs_change(req);
	case FERRY_CLASS_BLOCK:
		return ferry_block_change(req);
	default:
		return FERRY_CHANGE_ALL;
	}
}

static bool is_answered(const struct ferry_req *req)
{
	if (likely(!req->answered))
		return false;
	ferry_log(FERRY_LOG_ERR, "%s: answered a request twice (opcode %u, id %llu)",
		  req->server->backend->name, req->opcode, req->unique);
	return true;
}

void ferry_reply_err(struct ferry_req *req, int err)
{
	if (is_answered(req))
		return;
	if (!err)
		err = req->error;	/* what went wrong on the way here */
	if (unlikely(err > 0 || err <= -512))
		err = -EIO;
	if (err) {
		req->error = err;
		req->out_len = 0;
		req->pushed = 0;
	}
	ferry_req_end(req);
}
FERRY_EXPORT(ferry_reply_err);

void ferry_reply_data(struct ferry_req *req, const struct ferry_iov *iov, unsigned int nr_iov)
{
	ssize_t n = nr_iov ? ferry_req_push(req, iov, nr_iov) : 0;

	ferry_reply_err(req, n < 0 ? n : 0);
}
FERRY_EXPORT(ferry_reply_data);

void *ferry_req_refuse(struct ferry_req *req)
{
	ferry_reply_err(req, -EIO);	/* keeps quiet but for a line if it was answered */
	return NULL;
}

struct ferry_server *ferry_req_server(const struct ferry_req *req)
{
	return req->server;
}
FERRY_EXPORT(ferry_req_server);

u64 ferry_req_id(const struct ferry_req *req)
{
	return req->unique;
}
FERRY_EXPORT(ferry_req_id);

const struct ferry_cred *ferry_req_cred(const struct ferry_req *req)
{
	return &req->cred;
}
FERRY_EXPORT(ferry_req_cred);

u32 ferry_req_data_len(const struct ferry_req *req)
{
	return req->data_len;
}
FERRY_EXPORT(ferry_req_data_len);

ssize_t ferry_req_pull(struct ferry_req *req, u64 offset,
		       const struct ferry_iov *iov, unsigned int nr_iov)
{
	if (unlikely(!req->data_in || req->answered))
		return -EINVAL;
	if (unlikely(offset >= req->data_len))
		return 0;
	return req->host->pull(req, offset, iov, nr_iov);
}
FERRY_EXPORT(ferry_req_pull);

ssize_t ferry_req_push(struct ferry_req *req, const struct ferry_iov *iov,
		       unsigned int nr_iov)
{
	ssize_t n;

	if (unlikely(req->data_in || req->answered))
		return -EINVAL;
	if (unlikely(req->pushed >= req->data_len))
		return 0;
	n = req->host->push(req, iov, nr_iov);
	if (likely(n > 0))
		req->pushed += n;
	return n;
}
FERRY_EXPORT(ferry_req_push);

bool ferry_req_skip(struct ferry_req *req)
{
	if (!req->host->skips || req->data_in || req->answered)
		return false;
	req->pushed = req->data_len;
	return true;
}
FERRY_EXPORT(ferry_req_skip);

ssize_t ferry_req_transfer(struct ferry_req *req, int fd, u64 pos, size_t len)
{
	ssize_t n;

	if (unlikely(!req->host->transfer))
		return -EOPNOTSUPP;
	if (unlikely(req->answered))
		return -EINVAL;
	len = min(len, (size_t)req->data_len - (req->data_in ? 0 : req->pushed));
	n = len ? req->host->transfer(req, fd, pos, len) : 0;
	if (n > 0 && !req->data_in)
		req->pushed += n;
	return n;
}
FERRY_EXPORT(ferry_req_transfer);

static int init_class(struct ferry_server *server, u32 class)
{
	if (class == FERRY_CLASS_FS && server->backend->fs)
		return ferry_fs_server_init(server, server->args);
	if (class == FERRY_CLASS_BLOCK && server->backend->block)
		return ferry_block_server_init(server, server->args);
	return -EOPNOTSUPP;
}

int ferry_server_init(struct ferry_server *server, const struct ferry_backend *backend,
		      u32 class, const char *args)
{
	int err;

	if (backend->abi != FERRY_BACKEND_ABI)
		return -EPROTO;
	server->backend = backend;
	server->args = NULL;
	if (args && *args) {
		server->args = ferry_alloc(strlen(args) + 1);
		if (!server->args)
			return -ENOMEM;
		memcpy(server->args, args, strlen(args) + 1);
	}
	err = init_class(server, class);
	if (err)
		ferry_free(server->args);
	return err;
}
FERRY_EXPORT(ferry_server_init);

void ferry_server_destroy(struct ferry_server *server, u32 class)
{
	if (class == FERRY_CLASS_FS)
		ferry_fs_server_destroy(server);
	else if (class == FERRY_CLASS_BLOCK)
		ferry_block_server_destroy(server);
	ferry_free(server->args);
}
FERRY_EXPORT(ferry_server_destroy);

void ferry_server_stop(struct ferry_server *server, u32 class)
{
	for (; server && class == FERRY_CLASS_BLOCK; server = server->below)
		ferry_block_server_stop(server);
}
