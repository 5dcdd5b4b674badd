// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferryd: serve one backend, mounted on a directory or as a disk, from a user process. */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ferry/options.h>
#include <ferry/req.h>
#include <ferry/session.h>
#include <ferry/state.h>
#include <linux/ferry.h>

#include "supervise.h"

#define EXIT_USAGE	2

/**
 * struct command - the command line
 * @source: BACKEND[:ARGS], as given
 * @name: BACKEND
 * @args: ARGS or NULL
 * @dir: where to mount; NULL with --attach if it was not said
 * @resolved: @dir, if it is ours to free
 * @backend: what @name means
 * @disk: serve a disk
 * @to_kernel: serve until the backend in the kernel does
 * @follows: this is not the first process that serves
 * @options: all that stood behind -o, taken apart
 * @of_disk: what of it is the disk's, with @disk
 * @up_fd: tells the parent that all is up; -1 in the foreground
 */
struct command {
	bool foreground;
	bool disk;
	bool to_kernel;
	bool follows;
	enum ferry_log_level level;
	struct ferry_options options;
	struct ferry_disk_options of_disk;
	const char *source;
	const struct ferry_backend *backend;
	char *name;
	const char *args;
	const char *dir;
	char *resolved;
	int up_fd;
};

static void usage(void)
{
	fputs("usage: ferryd [OPTION]... BACKEND[:ARGS] DIR\n"
	      "       ferryd [OPTION]... --disk BACKEND[:ARGS]\n"
	      "       ferryd [OPTION]... --attach CHANNEL BACKEND[:ARGS] [DIR]\n"
	      "Serve BACKEND from a user process, mounted on DIR, or as a disk whose name is printed;\n"
	      "or take the place of the server that CHANNEL has lost.\n"
	      "\n"
	      "  -a, --attach CHANNEL   its number, see 'ferry list'\n"
	      "  -r, --replace          with --attach: CHANNEL has a server, take its place\n"
	      "  -k, --to-kernel        with --attach: answer what is left, and have CHANNEL moved\n"
	      "                         into the kernel\n"
	      "  -d, --disk             a disk; with --attach: CHANNEL is a disk's\n"
	      "  -f, --foreground       stay in the foreground, log to standard error\n"
	      "  -l, --log-level LEVEL  err, warn, info (default) or debug\n"
	      "  -o OPTION[,OPTION]...  wait=sync|poll|uring|rw  how to wait (default sync)\n"
	      "                         queues=N      queues and threads (default one per CPU)\n"
	      "                         depth=N       requests that a queue takes at a time\n"
	      "                         inline=BYTES  data up to that goes through the queue's memory\n"
	      "                         spin_us=N     with wait=poll: microseconds that a thread\n"
	      "                                       looks for a request before it sleeps\n"
	      "                         on_death=reissue|kernel|fail  when the server is killed,\n"
	      "                                       start another one, go on in the kernel,\n"
	      "                                       or let requests fail\n"
	      "                         grace=SECONDS that requests wait for another one\n"
	      "                         timeout=SECONDS  requests fail that take longer\n"
	      "                         others: mount options, see mount.ferry(8); with --disk\n"
	      "                                       those of a disk, see ferry(8)\n"
	      "  -h, --help [BACKEND]   this text, or the arguments of BACKEND\n"
	      "  -V, --version          the version\n"
	      "\n"
	      "SIGTERM, SIGINT or SIGHUP unmounts DIR or removes the disk; a second one does so\n"
	      "although it is in use.\n", stdout);
}

static int fail(const char *fmt, const char *what)
{
	fprintf(stderr, "ferryd: ");
	fprintf(stderr, fmt, what);
	fputs(": see 'ferryd --help'\n", stderr);
	return 1;
}

static int bad_usage(const char *fmt, const char *what)
{
	fail(fmt, what);
	return EXIT_USAGE;
}

/*
 * What was printed has to have come somewhere; who has closed the other end has seen enough.
 * Return: 0, or 1 after a line that says why not
 */
static int printed(void)
{
	if (!fflush(stdout) || errno == EPIPE)
		return 0;
	ferry_log(FERRY_LOG_ERR, "standard output: %s", strerror(errno));
	return 1;
}

static int help(const char *name)
{
	const struct ferry_backend *backend;

	if (!name) {
		usage();
		return printed();
	}
	if (ferry_backend_load(name, &backend))
		return 1;
	printf("%s: %s\n", backend->name, backend->help ? backend->help : "takes no arguments");
	return printed();
}

static int parse_level(const char *s, enum ferry_log_level *level)
{
	static const char *const names[] = { "err", "warn", "info", "debug" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(s, names[i])) {
			*level = i;
			return 0;
		}
	}
	return bad_usage("no log level \"%s\", there are err, warn, info and debug", s);
}

static int parse_number(const char *option, const char *s, u32 *value)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(s, &end, 10);
	if (*s < '0' || *s > '9' || *end || errno || !v || v > UINT32_MAX)
		return bad_usage("%s needs a number from 1 to 4294967295", option);
	*value = v;
	return 0;
}

/* Another -o. */
static int add_options(char **all, const char *options)
{
	size_t have = *all ? strlen(*all) : 0;
	char *grown = realloc(*all, have + strlen(options) + 2);

	if (!grown)
		return fail("%s", strerror(errno));
	sprintf(grown + have, "%s%s", have ? "," : "", options);
	*all = grown;
	return 0;
}

static int check_attach(const struct command *cmd)
{
	const char *name = ferry_options_settled(&cmd->options);

	return name ? bad_usage("\"%s\" is nothing that --attach takes, as wait= and spin_us= are; 'ferry set' changes what a channel has",
				name) : 0;
}

/* Return: 0, or the status to end with */
static int parse_options(struct command *cmd, const char *all)
{
	int err = ferry_options_parse(&cmd->options, all);

	if (!err && cmd->options.placement && strcmp(cmd->options.placement, "user"))
		return bad_usage("placement=%s is for mount.ferry, ferryd serves from user space",
				 cmd->options.placement);
	if (!err && cmd->disk)
		err = ferry_disk_options_parse(cmd->options.rest, &cmd->of_disk);
	if (err)
		return err == -EINVAL ? EXIT_USAGE : 1;
	return cmd->options.session.attach ? check_attach(cmd) : 0;
}

/* @all: NULL; to be freed. Return: 0: go on; else end with this status less one. */
static int parse(struct command *cmd, int argc, char **argv, char **all)
{
	static const struct option options[] = {
		{ "attach", required_argument, NULL, 'a' },
		{ "disk", no_argument, NULL, 'd' },
		{ "replace", no_argument, NULL, 'r' },
		{ "to-kernel", no_argument, NULL, 'k' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "log-level", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int c, args, status = 0;
	size_t name_len;

	while (!status && (c = getopt_long(argc, argv, "a:drkfl:o:hV", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			status = parse_number("--attach", optarg, &cmd->options.session.attach);
			break;
		case 'd':
			cmd->disk = true;
			cmd->options.session.class = FERRY_CLASS_BLOCK;
			break;
		case 'r':
			cmd->options.session.replace = true;
			break;
		case 'k':
			cmd->to_kernel = true;
			break;
		case 'f':
			cmd->foreground = true;
			break;
		case 'l':
			status = parse_level(optarg, &cmd->level);
			break;
		case 'o':
			status = add_options(all, optarg);
			break;
		case 'h':
			return 1 + help(argv[optind]);
		case 'V':
			puts("ferryd " FERRY_VERSION);
			return 1 + printed();
		default:
			return 1 + EXIT_USAGE;	/* getopt has said why */
		}
	}
	if (!status)
		status = parse_options(cmd, *all);
	if (status)
		return 1 + status;
	args = argc - optind;
	if ((cmd->options.session.replace || cmd->to_kernel) && !cmd->options.session.attach)
		return 1 + bad_usage("%s wants --attach", cmd->to_kernel ? "--to-kernel" : "--replace");
	if (cmd->disk && args != 1)
		return 1 + bad_usage("%s", args ? "a disk wants BACKEND alone" : "BACKEND is needed");
	if (args != 2 && !((cmd->disk || cmd->options.session.attach) && args == 1))
		return 1 + bad_usage("%s", args < 2 ? "BACKEND and DIR are needed" :
						 "more than BACKEND and DIR");
	cmd->source = argv[optind];
	if (ferry_source_check(cmd->source))
		return 1 + EXIT_USAGE;
	cmd->dir = argv[optind + 1];	/* NULL with --attach and none, and of a disk */
	cmd->args = ferry_source_args(cmd->source, &name_len);
	cmd->name = strndup(cmd->source, name_len);
	return cmd->name ? 0 : 1 + fail("%s", strerror(errno));
}

static int signal_fd(void)
{
	sigset_t set;

	supervise_signals(&set);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/*
 * Until the mount or disk is gone; a signal sees to that. One that was sent to the whole process
 * group, or to all of this name, comes twice, from its sender and from @supervisor, which hands on
 * what it gets. So those that it hands on are counted by themselves: of how many there were, the
 * greater of the two counts tells.
 */
static void serve(struct ferry_session *session, bool disk, int sig_fd, pid_t supervisor)
{
	struct pollfd fds[] = {
		{ .fd = ferry_session_fd(session), .events = POLLIN },
		{ .fd = sig_fd, .events = POLLIN },
	};
	unsigned int direct = 0, handed_on = 0, times = 0;
	struct signalfd_siginfo info;

	while (!fds[0].revents) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 || !fds[1].revents ||
		    read(sig_fd, &info, sizeof(info)) != sizeof(info))
			continue;
		if ((pid_t)info.ssi_pid == supervisor)
			handed_on++;
		else
			direct++;
		if (max(direct, handed_on) == times)
			continue;
		times++;
		if (disk)
			ferry_session_remove(session, times > 1);
		else
			ferry_session_unmount(session, times > 1);
	}
}

static int null_stdio(void)
{
	int fd = open("/dev/null", O_RDWR);

	if (fd < 0)
		return -errno;
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	return 0;
}

/* What serves in the background holds no terminal, no pipe of a shell and no directory. */
static void leave_terminal(const struct command *cmd)
{
	if (cmd->foreground)
		return;
	ferry_log_open(cmd->level, true);
	if (chdir("/") || null_stdio())
		ferry_log(FERRY_LOG_WARN, "did not leave the terminal: %s", strerror(errno));
}

/* All is up: tell who waits for that. */
static void tell_up(const struct command *cmd)
{
	leave_terminal(cmd);
	if (!cmd->foreground && write(cmd->up_fd, "", 1) != 1)
		ferry_log(FERRY_LOG_WARN, "could not say that all is up: %s", strerror(errno));
	close(cmd->up_fd);
}

static int begin_disk(const struct command *cmd, struct ferry_session *session)
{
	int ret = ferry_session_disk(session, cmd->source, &cmd->of_disk);

	if (ret < 0)
		return ret;
	printf("/dev/ferryb%d\n", ret);
	if (!printed())
		return 0;
	/* Nobody knows of it. */
	ferry_session_remove(session, true);
	return 1;
}

static int resume(const struct command *cmd, struct ferry_session *session)
{
	int err = ferry_session_resume(session, cmd->dir);

	if (err)
		return err;
	if (cmd->options.session.replace) {
		printf("channel %u (%s) is served by another process now, clients waited %.1f ms\n",
		       ferry_session_channel(session), cmd->name, ferry_session_held(session));
		fflush(stdout);
	}
	return cmd->to_kernel ? ferry_session_to_kernel(session) : 0;
}

static int begin(const struct command *cmd, struct ferry_session *session)
{
	if (cmd->options.session.attach)
		return resume(cmd, session);
	if (cmd->disk)
		return begin_disk(cmd, session);
	return ferry_session_mount(session, cmd->source, cmd->dir, cmd->options.rest);
}

/* Serve. @report: where to write a struct serves, or -1. */
static int run(const struct command *cmd, int report)
{
	const pid_t supervisor = report < 0 ? -1 : getppid();
	struct ferry_session_options options = cmd->options.session;
	struct ferry_session *session;
	int sig_fd = signal_fd();
	u32 grace = 0;
	bool served;
	int err;

	if (sig_fd < 0)
		return fail("%s", strerror(errno));
	/* Modes come from the kernel, with the caller's umask taken off already. */
	umask(0);
	options.grace_now = &grace;
	err = ferry_session_new(cmd->backend, cmd->args, &options, &session);
	if (err) {
		const struct serves fails = { .fails = true, .grace = grace };

		if (grace && report >= 0 && write(report, &fails, sizeof(fails)) != sizeof(fails))
			ferry_log(FERRY_LOG_WARN, "could not say how long clients wait: %s",
				  strerror(errno));
		return cmd->follows && err == -ENOTCONN ? SUPERVISED_GONE : 1;
	}
	err = begin(cmd, session);
	served = !err;
	if (served) {
		const struct serves serves = {
			.channel = ferry_session_channel(session),
			.follow = ferry_session_on_death(session) == FERRY_DEATH_REISSUE,
			.grace = ferry_session_grace(session),
			.mounted = ferry_session_mounted(session),
		};
		const u32 channel = serves.channel;

		if (report < 0) {
			tell_up(cmd);
		} else if (write(report, &serves, sizeof(serves)) == sizeof(serves)) {
			close(report);
			leave_terminal(cmd);
		}
		ferry_log(FERRY_LOG_INFO, "%s serves channel %u%s%s", cmd->source, channel,
			  cmd->dir ? " on " : "", cmd->dir ? cmd->dir : "");
		serve(session, cmd->disk, sig_fd, supervisor);
		err = ferry_session_wait(session);
		ferry_log(FERRY_LOG_INFO, "%s on channel %u: ended", cmd->source, channel);
	}
	ferry_session_free(session);
	/* Nobody follows one whose client has gone: when we are gone nothing is open any more. */
	if (served && !err)
		close_range(FERRY_KEPT_FD, ~0U, 0);
	return err ? 1 : 0;
}

/*
 * Lock memory when it is first used. What a limit is counted against is all that is mapped, a state's
 * terabyte too: so the limit has to go, or must not count, and only whom it does not concern may
 * lock where it is nothing.
 */
static int lock_memory(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit is, none;
	bool lifted = !setrlimit(RLIMIT_MEMLOCK, &all);
	int err;

	if (!lifted) {
		getrlimit(RLIMIT_MEMLOCK, &is);
		none = (struct rlimit){ .rlim_max = is.rlim_max };
		setrlimit(RLIMIT_MEMLOCK, &none);
	}
	err = mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) ? -errno : 0;
	if (!lifted)
		setrlimit(RLIMIT_MEMLOCK, &is);
	return err;
}

/*
 * What makes memory free may wait for us: so we must not wait for it. We do no I/O to get
 * memory, are not throttled by dirty pages, and are not what is killed where there is none: that
 * would free little, for what the channel keeps stays. A disk may be swapped to, so nothing of its
 * server's is swapped.
 *
 * For the supervisor as well, which must be able to fork. Workers inherit all but the lock.
 */
static void serve_reclaim(const struct command *cmd)
{
	static bool said;
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	if (fd >= 0 && write(fd, "-1000", 5) != 5)
		ferry_log(FERRY_LOG_DEBUG, "oom_score_adj: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	if (cmd->disk && lock_memory() && !said) {
		ferry_log(FERRY_LOG_WARN, "%s: its memory cannot be locked: do not swap to this disk; "
			  "CAP_IPC_LOCK or an unlimited 'ulimit -l' is wanted", cmd->source);
		said = true;
	}
}

static int work(void *arg, const struct serves *last, int report)
{
	struct command *cmd = arg;

	serve_reclaim(cmd);
	if (last) {
		cmd->follows = true;
		cmd->options.session.attach = last->channel;
		cmd->options.session.mounted = last->mounted;
		cmd->options.session.replace = false;
	}
	return run(cmd, report);
}

static void up(void *arg)
{
	tell_up(arg);
}

/*
 * Is there to be a supervisor? Whoever attaches is told only then what is to become of the
 * channel. Where the kernel is to take over the module sees to that, whoever else has died.
 */
static bool is_supervised(const struct command *cmd)
{
	const char *on_death = cmd->options.session.on_death;

	return !cmd->to_kernel && ferry_session_reissues(cmd->backend, &cmd->options.session) &&
	       !(on_death && !strcmp(on_death, "kernel"));
}

static int run_supervised(struct command *cmd)
{
	const struct supervised supervised = {
		.work = work, .up = up, .up_fd = cmd->up_fd, .arg = cmd,
		.leaves = !cmd->foreground,
	};

	serve_reclaim(cmd);
	return is_supervised(cmd) ? supervise(&supervised) : run(cmd, -1);
}

/*
 * Where DIR is, for all who serve: the one that mounts is in the directory that we were called in,
 * those that follow it are not. A path that leads to a mount without server is not looked at.
 */
static int resolve_dir(struct command *cmd)
{
	size_t len = strlen(cmd->dir);
	char *dir = strdup(cmd->dir);

	while (dir && len > 1 && dir[len - 1] == '/')
		dir[--len] = 0;
	cmd->resolved = dir ? realpath(dir, NULL) : NULL;
	free(dir);
	if (cmd->resolved) {
		cmd->dir = cmd->resolved;
		return 0;
	}
	if (!cmd->options.session.attach) {
		ferry_log(FERRY_LOG_ERR, "%s: %s", cmd->dir, strerror(errno));
		return 1;
	}
	ferry_log(FERRY_LOG_WARN, "%s: %s: no signal will unmount it", cmd->dir, strerror(errno));
	cmd->dir = NULL;
	return 0;
}

/* Who waits for the end of a pipe, or for a lock, would wait for us. */
static void let_go_of_callers(int mine)
{
	if (mine > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, mine - 1, 0);
	close_range(max(mine, STDERR_FILENO) + 1, ~0U, 0);
}

static int run_in_background(struct command *cmd)
{
	int up[2];
	char byte;
	pid_t pid;

	if (pipe2(up, O_CLOEXEC))
		return fail("%s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return fail("%s", strerror(errno));
	if (!pid) {
		let_go_of_callers(up[1]);
		setsid();
		cmd->up_fd = up[1];
		return run_supervised(cmd);
	}
	close(up[1]);
	/* The end of the pipe without a byte: the child has said why. */
	if (read(up[0], &byte, 1) == 1)
		return 0;
	waitpid(pid, NULL, 0);
	return 1;
}

int main(int argc, char **argv)
{
	struct command cmd = {
		.level = FERRY_LOG_INFO,
		.options.session.size = sizeof(cmd.options.session),
		.up_fd = -1,
	};
	const struct ferry_backend *backend;
	char *all = NULL;
	int end = parse(&cmd, argc, argv, &all);

	free(all);
	if (!end) {
		ferry_log_open(cmd.level, false);
		if (ferry_backend_load(cmd.name, &backend))
			end = 2;
		else
			cmd.backend = backend;
	}
	if (!end && cmd.dir)
		end = 2 * resolve_dir(&cmd);
	/* Who started us may not wait to be told, nor who reads what we log until we end. */
	signal(SIGPIPE, SIG_IGN);
	if (!end)
		end = 1 + (cmd.foreground ? run_supervised(&cmd) : run_in_background(&cmd));
	free(cmd.name);
	ferry_options_free(&cmd.options);
	free(cmd.resolved);
	return end - 1;
}
