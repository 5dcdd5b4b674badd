// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* fuse-peer: options, session, loop. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "peer.h"

static const struct fuse_opt options[] = {
	{ "attr_timeout=%lf", offsetof(struct peer, attr_timeout), 0 },
	{ "entry_timeout=%lf", offsetof(struct peer, entry_timeout), 0 },
	{ "size=%llu", offsetof(struct peer, size), 0 },
	{ "writeback", offsetof(struct peer, writeback), 1 },
	FUSE_OPT_END
};

void peer_init_conn(struct fuse_conn_info *conn, const struct peer *peer)
{
	/* Through splice a page costs more than its copy, unless it is a file's. */
	conn->want &= ~(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
	/*
	 * Nobody else changes the files, so there is nothing to look out for. libfuse has this on
	 * by itself, and then the kernel asks for the attributes before each read.
	 */
	conn->want &= ~FUSE_CAP_AUTO_INVAL_DATA;
	conn->max_write = PEER_MAX_WRITE;
	if (peer->writeback)
		conn->want |= conn->capable & FUSE_CAP_WRITEBACK_CACHE;
}

static int usage(FILE *to, int status)
{
	fputs("usage: fuse-peer [-o OPTION[,OPTION]...] null|memory|passthrough DIR\n"
	      "       fuse-peer --features | --version\n"
	      "Serves DIR by libfuse from the background, until it is unmounted; or says what\n"
	      "this libfuse can besides.\n"
	      "Options: attr_timeout=SECONDS entry_timeout=SECONDS size=BYTES writeback, and\n"
	      "those of FUSE itself.\n",
	      to);
	return status;
}

static int features(void)
{
#ifdef FUSE_CAP_PASSTHROUGH
	puts("passthrough");
#endif
	return 0;
}

static int choose(const char *kind, struct fuse_lowlevel_ops *ops)
{
	int err;

	if (!strcmp(kind, "null")) {
		*ops = null_ops;
	} else if (!strcmp(kind, "memory")) {
		*ops = memory_ops;
	} else if (!strcmp(kind, "passthrough")) {
		err = passthrough_ops(ops);
		if (err) {
			fprintf(stderr, "fuse-peer: passthrough: %s\n", strerror(-err));
			return 1;
		}
	} else {
		fprintf(stderr, "fuse-peer: no such server '%s': null, memory or passthrough\n",
			kind);
		return 2;
	}
	return 0;
}

static int loop(struct fuse_session *session)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int err;

	if (!config)
		return -1;
	fuse_loop_cfg_set_clone_fd(config, 1);
	err = fuse_session_loop_mt(session, config);
	fuse_loop_cfg_destroy(config);
	return err;
}

static int serve(struct fuse_args *args, const struct fuse_lowlevel_ops *ops, struct peer *peer,
		 const char *dir)
{
	struct fuse_session *session = fuse_session_new(args, ops, sizeof(*ops), peer);
	int status = 1;

	if (!session)
		return 1;
	if (fuse_set_signal_handlers(session))
		goto destroy;
	if (fuse_session_mount(session, dir))
		goto remove_handlers;
	if (fuse_daemonize(0) == 0)
		status = loop(session) ? 1 : 0;
	fuse_session_unmount(session);
remove_handlers:
	fuse_remove_signal_handlers(session);
destroy:
	fuse_session_destroy(session);
	return status;
}

int main(int argc, char **argv)
{
	struct peer peer = { .attr_timeout = 1, .entry_timeout = 1, .size = 1ULL << 30 };
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_lowlevel_ops ops;
	const char *dir;
	int status;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(stdout, 0);
	if (argc == 2 && !strcmp(argv[1], "--features"))
		return features();
	if (argc == 2 && !strcmp(argv[1], "--version"))
		return puts(fuse_pkgversion()) < 0;
	if (argc < 3)
		return usage(stderr, 2);
	dir = argv[argc - 1];
	status = choose(argv[argc - 2], &ops);
	if (status)
		return status;
	for (int i = 0; i < argc - 2; i++)
		if (fuse_opt_add_arg(&args, argv[i]))
			return 1;
	umask(0);
	if (fuse_opt_parse(&args, &peer, options, NULL))
		return usage(stderr, 2);
	status = serve(&args, &ops, &peer, dir);
	fuse_opt_free_args(&args);
	return status;
}
