// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* error: a filter that lets requests fail, which the disk below never sees. */
#include <ferry/filter.h>

struct error {
	int err;
	struct ferry_pick pick;
};

/* Those that a disk can have: see kmod/block/queue.c. */
static const struct {
	const char *name;
	int err;
} errors[] = {
	{ "EIO", -EIO },
	{ "ENOSPC", -ENOSPC },
	{ "ETIMEDOUT", -ETIMEDOUT },
	{ "EOPNOTSUPP", -EOPNOTSUPP },
	{ "ENOLINK", -ENOLINK },
	{ "EREMOTEIO", -EREMOTEIO },
	{ "ENODATA", -ENODATA },
	{ "EILSEQ", -EILSEQ },
};

static void error_filter(struct ferry_req *req, u32 op, u64 off, u64 len)
{
	struct error *error = ferry_req_server(req)->priv;

	if (ferry_pick(&error->pick, op, off, len))
		ferry_reply_err(req, error->err);
	else
		ferry_filter_pass(req);
}

static int parse_errno(struct error *error, const char *args)
{
	size_t len = 0, i;
	const char *name = ferry_opt_find(args, "errno", &len);

	for (i = 0; name && i < ARRAY_SIZE(errors); i++) {
		if (strlen(errors[i].name) == len && !memcmp(errors[i].name, name, len)) {
			error->err = errors[i].err;
			return 0;
		}
	}
	if (!name) {
		error->err = -EIO;
		return 0;
	}
	ferry_log(FERRY_LOG_ERR, "error: errno= wants one that a disk can have: EIO, ENOSPC, ETIMEDOUT, EOPNOTSUPP, ENOLINK, EREMOTEIO, ENODATA or EILSEQ");
	return -EINVAL;
}

static int set_up(struct ferry_server *server, void *priv, const char *args)
{
	static const char *const known[] = { "errno", FERRY_PICK_OPTIONS, NULL };
	struct error *error = priv;
	int err;

	err = ferry_args_check(server, args, known);
	if (!err)
		err = parse_errno(error, args);
	return err ? err : ferry_pick_init(&error->pick, "error", args);
}

static int error_init(struct ferry_server *server, const char *args)
{
	return ferry_filter_init(server, args, sizeof(struct error), set_up);
}

static const struct ferry_block_ops error_ops = {
	.size = sizeof(error_ops),
	.init = error_init,
	.destroy = ferry_filter_end,
	.filter = error_filter,
};

FERRY_BACKEND(error, .help = "[errno=NAME]" FERRY_PICK_HELP "+BACKEND[:ARGS]  lets requests fail",
	      .flags = FERRY_RECOVERS | FERRY_STATELESS, .block = &error_ops);
