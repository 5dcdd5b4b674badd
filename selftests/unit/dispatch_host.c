// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include <stdarg.h>
#include <stdlib.h>

#include "dispatch_host.h"
#include "memory.h"

unsigned int logged;
char last_line[512];

void ferry_log(enum ferry_log_level level, const char *fmt, ...)
{
	va_list ap;

	logged++;
	va_start(ap, fmt);
	vsnprintf(last_line, sizeof(last_line), fmt, ap);
	va_end(ap);
}

static void *copy(const void *p, u32 len)
{
	void *c = malloc(len);

	if (len)
		memcpy(c, p, len);
	return c;
}

static void *join(const struct message *m, u32 *len)
{
	char *all;
	u32 i, at = 0;

	for (i = 0, *len = 0; i < m->nr_in; i++)
		*len += m->in[i].len;
	all = malloc(*len);
	for (i = 0; i < m->nr_in; at += m->in[i++].len)
		if (m->in[i].len)
			memcpy(all + at, m->in[i].p, m->in[i].len);
	return all;
}

void ask(struct ferry_server *server, const struct message *m, struct reply *reply)
{
	struct memory_req *f = malloc(sizeof(*f));
	struct ferry_req *req = &f->req;
	void *in[3] = { 0 }, *out[2] = { 0 };
	u32 i, at;

	/* Nothing may depend on what a host has not filled in. */
	memset(f, 0xa5, sizeof(*f));
	memset(reply, 0, sizeof(*reply));
	reply->data = malloc(m->data ? 0 : m->data_len);
	f->data = m->data ? copy(m->data, m->data_len) : reply->data;
	f->end = ~0ULL;
	f->answers = 0;

	req->host = &memory_host;
	req->server = server;
	req->class = FERRY_CLASS_FS;
	req->opcode = m->opcode;
	req->unique = 7;
	req->node = m->node;
	req->cred = (struct ferry_cred){ 1000, 100, 42 };
	req->data_len = m->data_len;
	req->data_in = m->data;
	req->nr_in = m->nr_in;
	if (m->one_piece && m->nr_in) {
		in[0] = join(m, &req->in[0].len);
		req->nr_in = 1;
	} else {
		for (i = 0; i < m->nr_in; i++) {
			in[i] = copy(m->in[i].p, m->in[i].len);
			req->in[i].len = m->in[i].len;
		}
	}
	for (i = 0; i < 3; i++)
		req->in[i].p = in[i];
	req->nr_out = m->nr_out;
	for (i = 0; i < m->nr_out; i++) {
		out[i] = malloc(m->out[i]);
		req->out[i].p = out[i];
		req->out[i].len = m->out[i];
	}

	ferry_dispatch(req);

	reply->done = f->answers;
	reply->error = req->error;
	reply->no_reply = req->no_reply;
	reply->out_len = req->out_len;
	reply->pushed = req->pushed;
	for (i = 0, at = 0; i < m->nr_out && at < reply->out_len; i++) {
		u32 n = min(reply->out_len - at, m->out[i]);

		memcpy(reply->out + at, out[i], min(n, (u32)sizeof(reply->out) - at));
		at += n;
	}
	for (i = 0; i < 3; i++)
		free(in[i]);
	free(out[0]);
	free(out[1]);
	if (m->data)
		free(f->data);
	free(f);
}

void reply_free(struct reply *reply)
{
	free(reply->data);
}

void *ferry_alloc(size_t size)
{
	return calloc(1, size);
}

void ferry_free(void *p)
{
	free(p);
}
