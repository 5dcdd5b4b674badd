// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* New sizes of a disk: with an event, and of two that are asked for the later one counts. */
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"

static int uevents(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct timeval tv = { .tv_sec = 2 };
	int fd = DO(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT));

	DO(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	DO(bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
	return fd;
}

static bool uevent_comes(int fd, const char *disk, const char *what)
{
	char buf[8192];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf) - 1, 0)) > 0) {
		buf[n] = 0;
		if (strstr(buf, disk) && memmem(buf, n, what, strlen(what)))
			return true;
	}
	return false;
}

static void resizes(void)
{
	struct server s = server_new(NULL);
	char name[32];
	int index, fd;

	server_start(&s);
	index = server_wait_added(&s);
	CHECK(index >= 0);
	snprintf(name, sizeof(name), "ferryb%d", index);
	fd = uevents();
	DO(disk_resize(index, DISK_SIZE / 2));
	CHECK(uevent_comes(fd, name, "RESIZE=1"));
	CHECK_EQ(disk_sectors(index), DISK_SIZE / 2 / 512);
	CHECK_ERR(disk_resize(index, 1000), EINVAL);
	DO(disk_resize(index, DISK_SIZE));
	CHECK_EQ(disk_sectors(index), DISK_SIZE / 512);
	server_end_disk(&s, index);
}

/* The first RESIZE is answered when a READ comes, the others at once. */
static bool answer_first_late(struct server *s, const struct request *req)
{
	static struct request first;
	const struct ferry_blk_resize out = { first.io.offset };

	if (req->head.opcode == FERRY_BLK_RESIZE && !s->shared->told) {
		first = *req;
		return true;
	}
	if (req->head.opcode != FERRY_BLK_READ || s->shared->told != 1)
		return false;
	server_answer(s, &first, 0, &out, sizeof(out));
	server_answer(s, req, 0, s->disk + req->io.offset, req->io.length);
	return true;
}

/* Have the first RESIZE answered. */
static void read_it(struct server *s, int index)
{
	int fd = DO(disk_open(index));
	void *buf = xmalloc(4096);

	CHECK_EQ(pread(fd, buf, 4096, 8192), 4096);
	close(fd);
	server_wait_told(s, 2);
}

static pid_t resizer(int index, unsigned long long bytes)
{
	pid_t pid = DO(fork());

	if (pid)
		return pid;
	DO(disk_resize(index, bytes));
	_exit(0);
}

/* Until @pid waits inside the kernel, or is through. */
static void await_asked(pid_t pid)
{
	double end = now() + 20;
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (state != 'D' && state != 'Z') {
		CHECK(now() < end);
		f = fopen(path, "r");
		CHECK(f && fscanf(f, "%*d %*s %c", &state) == 1);
		fclose(f);
		usleep(1000);
	}
}

static void asker_killed(void)
{
	struct server s;
	pid_t first, second;
	int index;

	s = server_start_then(answer_first_late, &index);
	first = resizer(index, DISK_SIZE / 2);
	server_wait_told(&s, 1);
	DO(kill(first, SIGKILL));
	CHECK_EQ(DO(waitpid(first, NULL, 0)), first);
	second = resizer(index, DISK_SIZE / 4);
	await_asked(second);
	read_it(&s, index);
	wait_ok(second);
	CHECK_EQ(disk_sectors(index), DISK_SIZE / 4 / 512);
	server_end_disk(&s, index);
}

static bool keep_resize(struct server *s, const struct request *req)
{
	return req->head.opcode == FERRY_BLK_RESIZE;
}

static void server_killed(void)
{
	struct server s;
	int index;
	pid_t pid;

	server_style = SYNC;
	s = server_new_later(keep_resize);
	s.grace = 3600;
	server_start(&s);
	index = server_wait_added(&s);
	CHECK(index >= 0);
	pid = resizer(index, DISK_SIZE / 2);
	server_wait_told(&s, 1);
	server_kill(&s);
	s.lie = NULL;
	server_next(&s);
	wait_ok(pid);
	CHECK_EQ(disk_sectors(index), DISK_SIZE / 2 / 512);
	server_end_disk(&s, index);
}

/* A deadline of the channel, in seconds; 0: none. */
static void set_deadline(int index, int seconds)
{
	char command[64];

	snprintf(command, sizeof(command), "ferry set ferryb%d timeout=%d", index, seconds);
	CHECK_EQ(system(command), 0);
}

/* A resize to half of it has missed its deadline. */
static struct server start_late(int *index)
{
	struct server s = server_start_then(answer_first_late, index);

	set_deadline(*index, 1);
	CHECK_ERR(disk_resize(*index, DISK_SIZE / 2), ETIMEDOUT);
	set_deadline(*index, 0);
	return s;
}

static void too_late(void)
{
	int index;
	struct server s = start_late(&index);

	DO(disk_resize(index, DISK_SIZE / 4));
	read_it(&s, index);
	CHECK_EQ(disk_sectors(index), DISK_SIZE / 4 / 512);
	server_end_disk(&s, index);
}

/* Nobody asked for another one since. */
static void late(void)
{
	int index;
	struct server s = start_late(&index);

	read_it(&s, index);
	CHECK_EQ(disk_sectors(index), DISK_SIZE / 2 / 512);
	server_end_disk(&s, index);
}

static const struct claim claims[] = {
	{ "a new size is seen, with an event", resizes },
	{ "the asker of a size is killed and another asks: the later size stays", asker_killed },
	{ "sync: the server of a disk dies in a resize, and the next one is asked", server_killed },
	{ "a size that comes after its deadline does not undo a later one", too_late },
	{ "a size that comes after its deadline is the disk's if it is the last", late },
};
CLAIMS_MAIN(claims)
