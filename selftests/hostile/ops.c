// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The clients of a rogue: what they do, and how they are watched. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rogue.h"

pid_t rogue_client(int (*op)(void))
{
	pid_t pid = DO(fork());

	if (!pid) {
		errno = 0;
		_exit(op() ? (errno ? errno : EPROTO) : 0);
	}
	return pid;
}

int rogue_try(int (*op)(void), unsigned int seconds)
{
	pid_t pid = rogue_client(op);
	int status;

	if (!rogue_gone(pid, &status, seconds)) {
		rogue_ends(pid);
		claim_fail(__FILE__, __LINE__, "the client waits for more than %u s", seconds);
	}
	if (!WIFEXITED(status))
		claim_fail(__FILE__, __LINE__, "the client died of signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

int rogue_ends(pid_t pid)
{
	int status;

	DO(kill(pid, SIGKILL));
	if (!rogue_gone(pid, &status, 10))
		claim_fail(__FILE__, __LINE__, "process %d is there long after its SIGKILL", (int)pid);
	return status;
}

void rogue_dies(pid_t pid)
{
	int status = rogue_ends(pid);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		claim_fail(__FILE__, __LINE__, "process %d had ended before its SIGKILL: status %#x",
			   (int)pid, status);
}

int op_stat_file(void)
{
	struct stat st;

	return stat("mnt/file", &st);
}

static int read_with(int flags)
{
	char *buf = xmalloc(FILE_SIZE);
	int fd = open("mnt/file", O_RDONLY | flags);

	return fd < 0 || read(fd, buf, FILE_SIZE) < 0 ? -1 : 0;
}

int op_read_file(void)
{
	return read_with(0);
}

int op_read_direct(void)
{
	return read_with(O_DIRECT);
}

int op_write_direct(void)
{
	char *buf = xmalloc(4096);
	int fd = open("mnt/file", O_WRONLY | O_DIRECT);

	return fd < 0 || write(fd, buf, 4096) < 0 ? -1 : 0;
}

int op_open_file(void)
{
	int fd = open("mnt/file", O_RDWR);

	return fd < 0 ? -1 : 0;
}

static int list(const char *path)
{
	DIR *dir = opendir(path);
	int nr = 0;

	if (!dir)
		return -1;
	errno = 0;
	while (readdir(dir) && nr++ < 1000)
		;
	return errno ? -1 : 0;
}

int op_list(void)
{
	return list("mnt");
}

int op_list_dir(void)
{
	return list("mnt/dir");
}

int op_readlink(void)
{
	static char buf[8192];

	return readlink("mnt/link", buf, sizeof(buf)) < 0 ? -1 : 0;
}

int op_statfs(void)
{
	struct statfs sf;

	return statfs("mnt", &sf);
}

int op_write_file(void)
{
	int fd = open("mnt/file", O_RDWR);

	return fd < 0 || pwrite(fd, "x", 1, 0) < 0 || fsync(fd) ? -1 : 0;
}

int op_map_file(void)
{
	int fd = open("mnt/file", O_RDONLY);
	volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	if (fd < 0 || p == MAP_FAILED)
		return -1;
	return *p == 1 ? 0 : 0;
}

int op_unlink(void)
{
	return unlink("mnt/file");
}

int op_mkdir(void)
{
	return mkdir("mnt/new", 0755);
}

int op_truncate(void)
{
	return truncate("mnt/file", 100);
}

const struct wait rogue_waits[] = {
	{ FUSE_LOOKUP, op_stat_file, "stat" },
	{ FUSE_GETATTR, op_stat_file, "getattr" },
	{ FUSE_OPEN, op_open_file, "open" },
	{ FUSE_READ, op_read_file, "read" },
	{ FUSE_READ, op_read_direct, "direct read" },
	{ FUSE_READ, op_map_file, "page fault" },
	{ FUSE_WRITE, op_write_file, "write" },
	{ FUSE_WRITE, op_write_direct, "direct write" },
	{ FUSE_READDIR, op_list_dir, "readdir" },
	{ FUSE_OPENDIR, op_list, "opendir" },
	{ FUSE_READLINK, op_readlink, "readlink" },
	{ FUSE_STATFS, op_statfs, "statfs" },
	{ FUSE_UNLINK, op_unlink, "unlink" },
	{ FUSE_MKDIR, op_mkdir, "mkdir" },
	{ FUSE_SETATTR, op_truncate, "truncate" },
	{ 0 },
};

/* A client that waits for the answer that does not come. */
pid_t rogue_waiting(const struct rogue *r, const struct wait *w)
{
	pid_t pid = rogue_client(w->op);
	int status;

	rogue_await(r, 1);
	usleep(50000);
	if (waitpid(pid, &status, WNOHANG) == pid)
		claim_fail(__FILE__, __LINE__, "%s did not wait: status %#x", w->what, status);
	return pid;
}

char rogue_state(pid_t pid)
{
	char path[64], line[512] = "", *state;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = DO(open(path, O_RDONLY));
	CHECK(read(fd, line, sizeof(line) - 1) > 0);
	DO(close(fd));
	state = strrchr(line, ')');
	CHECK(state && state[1]);
	return state[2];
}

void rogue_await_waiting(pid_t pid, volatile bool *ready)
{
	double end = now() + patience(20);
	int seen = 0;

	while (seen < 3) {
		if (now() > end)
			claim_fail(__FILE__, __LINE__, "the client does not wait");
		CHECK_EQ(rogue_try(op_statfs, 10), 0);
		seen = *ready && rogue_state(pid) == 'D' ? seen + 1 : 0;
	}
	*ready = false;
}

static bool sleeps(pid_t pid)
{
	char state = rogue_state(pid);

	return state == 'S' || state == 'D';
}

void rogue_await_sleep(pid_t pid)
{
	CHECK_SOON(sleeps(pid), 10, "client %d does not wait", (int)pid);
}

int rogue_status(pid_t pid, unsigned int seconds, const char *what)
{
	int status;

	if (!rogue_gone(pid, &status, seconds)) {
		kill(pid, SIGKILL);
		claim_fail(__FILE__, __LINE__, "%s still waits after %u s", what, seconds);
	}
	return status;
}

void rogue_unharmed(pid_t pid)
{
	int status = rogue_status(pid, 10, "the client");

	if (status)
		claim_fail(__FILE__, __LINE__, "the client noticed: status %#x, %s", status,
			   WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "a signal");
}
