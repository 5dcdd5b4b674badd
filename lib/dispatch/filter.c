// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Filters: a server before another one; see filter.h. */
#include <ferry/filter.h>
#include <ferry/state.h>

#include "dispatch.h"

static char *copy(const char *s, size_t len)
{
	char *p = ferry_alloc(len + 1);

	if (p)
		memcpy(p, s, len);
	return p;
}

/* How many filters stand before a server that is put below @server. */
static unsigned int depth(const struct ferry_server *server)
{
	unsigned int n = 1;

	while ((server = server->above))
		n++;
	return n;
}

/* -EINVAL: there is none: the filter's arguments are wrong. */
static int get_backend(const struct ferry_server *above, const char *source, size_t len,
		       const struct ferry_backend **backend)
{
	char *name = copy(source, len);
	int err = name ? ferry_backend_get(above, name, backend) : -ENOMEM;

	ferry_free(name);
	return err == -ENOENT ? -EINVAL : err;
}

/* Make server->below of @source. */
static int make_below(struct ferry_server *server, const char *source)
{
	const char *name = server->backend->name, *args;
	const struct ferry_backend *backend;
	struct ferry_server *below;
	size_t len;
	int err;

	args = ferry_source_args(source, &len);
	err = get_backend(server, source, len, &backend);
	if (err)
		return err;
	err = -EOPNOTSUPP;
	if (!backend->block) {
		ferry_log(FERRY_LOG_ERR, "%s: %s is no disk", name, backend->name);
		goto put;
	}
	if (ferry_state_is_kept() && !(backend->flags & FERRY_RECOVERS)) {
		ferry_log(FERRY_LOG_ERR, "%s: %s does not outlive its process: say on_death=fail",
			  name, backend->name);
		goto put;
	}
	err = -ENOMEM;
	below = ferry_alloc(sizeof(*below));
	if (!below)
		goto put;
	below->above = server;
	err = ferry_server_init(below, backend, FERRY_CLASS_BLOCK, args);
	if (!err) {
		server->below = below;
		server->block = below->block;
		return 0;
	}
	ferry_free(below);
put:
	ferry_backend_put(backend);
	return err;
}

int ferry_filter_init(struct ferry_server *server, const char *args, size_t size,
		      int (*set_up)(struct ferry_server *server, void *priv, const char *own))
{
	const char *name = server->backend->name;
	const char *plus = args ? strchr(args, '+') : NULL;
	void *priv;
	char *own;
	int err;

	if (!plus || depth(server) > FERRY_FILTERS_MAX) {
		ferry_log(FERRY_LOG_ERR, plus ? "%s: too many filters before a disk" :
			  "%s: stands before another disk: say which, as in %s+ramdisk:size=1G",
			  name, name);
		return -EINVAL;
	}
	own = copy(args, plus - args);
	priv = ferry_alloc(size);
	err = own && priv ? make_below(server, plus + 1) : -ENOMEM;
	if (err) {
		ferry_free(priv);
		goto free_own;
	}
	server->priv = priv;
	/* A disk without a cache would be sent none. */
	if (ferry_opt_has(own, "flush"))
		server->block.flush = true;
	err = set_up(server, priv, own);
	if (err)
		ferry_filter_end(server);
free_own:
	ferry_free(own);
	return err;
}
FERRY_EXPORT(ferry_filter_init);

void ferry_filter_end(struct ferry_server *server)
{
	const struct ferry_backend *backend = server->below->backend;

	ferry_server_destroy(server->below, FERRY_CLASS_BLOCK);
	ferry_free(server->below);
	server->below = NULL;
	ferry_backend_put(backend);
	ferry_free(server->priv);
}
FERRY_EXPORT(ferry_filter_end);

void ferry_filter_names(const struct ferry_server *server, char *buf, size_t size)
{
	size_t len = 0;

	for (; server; server = server->below) {
		const char *name = server->backend->name;
		size_t n = strlen(name);

		if (n + 2 > size - len)
			break;
		if (len)
			buf[len++] = '+';
		memcpy(buf + len, name, n);
		len += n;
	}
	buf[len] = '\0';
}

void ferry_filter_pass(struct ferry_req *req)
{
	req->server = req->server->below;
	ferry_block_dispatch(req);
}
FERRY_EXPORT(ferry_filter_pass);

void ferry_req_later(struct ferry_req *req, u64 us, void (*fn)(struct ferry_req *req))
{
	if (req->host->later) {
		req->host->later(req, us, fn);
		return;
	}
	ferry_sleep(us);
	fn(req);
}
FERRY_EXPORT(ferry_req_later);

/* A decimal number at *@p, which is moved behind it. */
static int take_number(const char **p, const char *end, u64 *value)
{
	const char *begin = *p;
	u64 v = 0;

	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		if (v > (1ULL << 54) / 10)
			return -ERANGE;
		v = v * 10 + (**p - '0');
	}
	*value = v;
	return *p > begin ? 0 : -EINVAL;
}

/* sectors=A-B:C-D, sectors of 512 bytes, the last one included; A alone is A-A. */
static int take_ranges(struct ferry_pick *pick, const char *args)
{
	size_t len = 0;
	const char *p = ferry_opt_find(args, "sectors", &len), *end = p + len;
	u64 first, last;

	if (!p)
		return 0;
	for (;;) {
		if (pick->nr_ranges == FERRY_PICK_RANGES || take_number(&p, end, &first))
			return -EINVAL;
		last = first;
		if (p < end && *p == '-') {
			p++;
			if (take_number(&p, end, &last))
				return -EINVAL;
		}
		if (last < first)
			return -EINVAL;
		pick->range[pick->nr_ranges].first = first << 9;
		pick->range[pick->nr_ranges++].end = (last + 1) << 9;
		if (p == end)
			return 0;
		if (*p++ != ':')
			return -EINVAL;
	}
}

int ferry_pick_init(struct ferry_pick *pick, const char *name, const char *args)
{
	u64 percent = 100;

	memset(pick, 0, sizeof(*pick));
	pick->ops = (ferry_opt_has(args, "read") ? FERRY_FILTER_READ : 0) |
		    (ferry_opt_has(args, "write") ? FERRY_FILTER_WRITE : 0) |
		    (ferry_opt_has(args, "flush") ? FERRY_FILTER_FLUSH : 0) |
		    (ferry_opt_has(args, "discard") ? FERRY_FILTER_DISCARD : 0) |
		    (ferry_opt_has(args, "zeroes") ? FERRY_FILTER_ZEROES : 0);
	if (!pick->ops)
		pick->ops = ~0U;
	if (ferry_opt_size(args, "percent", &percent) || percent > 100 ||
	    ferry_opt_size(args, "after", &pick->after) || pick->after >> 62 ||
	    ferry_opt_size(args, "count", &pick->count) || pick->count >> 62 ||
	    take_ranges(pick, args)) {
		ferry_log(FERRY_LOG_ERR, "%s: percent= wants 0 to 100, after= and count= numbers, sectors= ranges, as in sectors=0-7:2048-4095",
			  name);
		return -EINVAL;
	}
	pick->percent = percent;
	return 0;
}
FERRY_EXPORT(ferry_pick_init);

static bool touches(const struct ferry_pick *pick, u64 off, u64 len)
{
	u32 i;

	for (i = 0; len && i < pick->nr_ranges; i++)
		if (off < pick->range[i].end &&
		    (off >= pick->range[i].first || len > pick->range[i].first - off))
			return true;
	return !pick->nr_ranges;
}

bool ferry_pick(struct ferry_pick *pick, u32 op, u64 off, u64 len)
{
	u32 random;
	u64 n;

	if (!(pick->ops & op) || !touches(pick, off, len))
		return false;
	if (pick->percent < 100) {
		ferry_random(&random, sizeof(random));
		if (random % 100 >= pick->percent)
			return false;
	}
	if (!pick->after && !pick->count)
		return true;
	n = ferry_atomic_add(&pick->seen, 1);
	return n > pick->after && (!pick->count || n - pick->after <= pick->count);
}
FERRY_EXPORT(ferry_pick);
