// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Data of a request to and from a file of the host: its host's way, or through memory. */
#include "dispatch.h"

#define PAGES	16	/* that a request's data goes through at a time */

/* @iov for @len bytes of @pages; how many pieces. */
static unsigned int iov_of(struct ferry_iov *iov, void *const *pages, u32 len)
{
	unsigned int n;

	for (n = 0; len; n++) {
		iov[n].base = pages[n];
		iov[n].len = min(len, (u32)FERRY_PAGE_SIZE);
		len -= iov[n].len;
	}
	return n;
}

static unsigned int pages_alloc(void **pages, u32 len)
{
	unsigned int n = 0;

	while (n < PAGES && n * FERRY_PAGE_SIZE < len) {
		pages[n] = ferry_page_alloc();
		if (!pages[n])
			break;
		n++;
	}
	return n;
}

static void pages_free(void **pages, unsigned int n)
{
	while (n)
		ferry_page_free(pages[--n]);
}

static ssize_t pull_through(struct ferry_req *req, struct ferry_file *file, u64 off, bool sync)
{
	struct ferry_iov iov[PAGES];
	void *pages[PAGES] = { NULL };
	unsigned int nr = pages_alloc(pages, req->data_len);
	u32 done = 0;
	ssize_t n = nr ? 0 : -ENOMEM;

	while (nr && done < req->data_len) {
		u32 part = min(req->data_len - done, nr * FERRY_PAGE_SIZE);

		n = ferry_req_pull(req, done, iov, iov_of(iov, pages, part));
		if (n > 0)
			n = ferry_file_write(file, off + done, iov, iov_of(iov, pages, n), sync);
		if (n <= 0)
			break;
		done += n;
		if (n < part)
			break;
	}
	pages_free(pages, nr);
	return done ? done : n;
}

static ssize_t push_through(struct ferry_req *req, struct ferry_file *file, u64 off, u32 len)
{
	struct ferry_iov iov[PAGES];
	void *pages[PAGES] = { NULL };
	unsigned int nr = pages_alloc(pages, len);
	u32 done = 0;
	ssize_t n = nr ? 0 : -ENOMEM;

	while (nr && done < len) {
		u32 part = min(len - done, nr * FERRY_PAGE_SIZE);

		n = ferry_file_read(file, off + done, iov, iov_of(iov, pages, part));
		if (n > 0)
			n = ferry_req_push(req, iov, iov_of(iov, pages, n));
		if (n <= 0)
			break;
		done += n;
		if (n < part)
			break;
	}
	pages_free(pages, nr);
	return done ? done : n;
}

ssize_t ferry_req_pull_file(struct ferry_req *req, struct ferry_file *file, u64 off, bool sync)
{
	if (unlikely(!req->data_in || req->answered))
		return -EINVAL;
	return req->host->transfer_file ?
	       req->host->transfer_file(req, file, off, req->data_len, sync) :
	       pull_through(req, file, off, sync);
}
FERRY_EXPORT(ferry_req_pull_file);

ssize_t ferry_req_push_file(struct ferry_req *req, struct ferry_file *file, u64 off, u32 len)
{
	ssize_t n;

	if (unlikely(req->data_in || req->answered))
		return -EINVAL;
	if (unlikely(req->pushed >= req->data_len))
		return 0;
	len = min(len, req->data_len - req->pushed);
	if (!req->host->transfer_file)
		return push_through(req, file, off, len);
	n = req->host->transfer_file(req, file, off, len, false);
	if (n > 0)
		req->pushed += n;
	return n;
}
FERRY_EXPORT(ferry_req_push_file);
