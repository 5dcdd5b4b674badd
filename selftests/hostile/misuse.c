// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Servers that misuse what is theirs, their memory, files, processes and processors, while
 * clients wait for them: only these clients may notice.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rogue.h"

/* The server's memory anew, by @fd: where it was. */
static void map_again(struct rogue *r, int fd)
{
	size_t size = r->geo.queue_size;
	unsigned int i;

	for (i = 0; i < r->geo.nr_queues; i++)
		CHECK(mmap(r->map + i * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			   fd, (off_t)(i * size)) != MAP_FAILED);
}

/* --- clients that work until they are told to stop --------------------------------- */

/* In the rogue's page: what they have done, and that they have done enough. */
struct work {
	int done;
	volatile int stop;
};

static struct work *work;
static int client_cpu = -1;

static void pin(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	DO(sched_setaffinity(pid, sizeof(set), &set));
}

static int op_work(void)
{
	char *buf = xmalloc(FILE_SIZE);
	int fd;

	if (client_cpu >= 0)
		pin(0, client_cpu);
	while (!work->stop) {
		if (op_stat_file() || op_statfs())
			return -1;
		fd = open("mnt/file", O_RDONLY | O_DIRECT);
		if (fd < 0 || read(fd, buf, FILE_SIZE) != FILE_SIZE)
			return -1;
		CHECK_EQ(find_difference(buf, FILE_SIZE, 0, 1), -1);
		close(fd);
		__atomic_add_fetch(&work->done, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

static pid_t worker(const struct rogue *r, int cpu)
{
	work = r->page;
	client_cpu = cpu;
	return rogue_client(op_work);
}

static void await_work(int nr)
{
	int from = __atomic_load_n(&work->done, __ATOMIC_RELAXED);

	CHECK_SOON(__atomic_load_n(&work->done, __ATOMIC_RELAXED) - from >= nr, 20,
		   "clients do no work any more");
}

static void end_work(const pid_t *pids, size_t nr)
{
	size_t i;

	work->stop = 1;
	for (i = 0; i < nr; i++)
		rogue_unharmed(pids[i]);
}

/* --- memory ------------------------------------------------------------------------- */

static uint32_t odd_word(const struct rogue *r, uint64_t *state)
{
	switch (next_random(state) % 4) {
	case 0:
		return FERRY_BOX_SPINNING;
	case 1:
		return 1;
	case 2:
		return next_random(state) % (r->geo.depth + 1);
	}
	return next_random(state);
}

/* For ever: bytes of all that is mapped, and words of what both sides go by. */
static void *scribble(void *arg)
{
	struct rogue *r = arg;
	uint64_t state = 0x9e3779b97f4a7c15ull * (test_seed() + 1);
	const size_t words = r->geo.slot_off / sizeof(uint32_t);

	for (;;) {
		r->map[next_random(&state) % r->geo.queue_size] = next_random(&state);
		((volatile uint32_t *)r->map)[next_random(&state) % words] = odd_word(r, &state);
		rogue_box(r)->box = odd_word(r, &state);
	}
	return NULL;
}

/* A thread scribbles, another answers whatever there is, looked at or not. */
static bool serve_blindly(struct rogue *r, const struct request *req)
{
	static const uint32_t lens[] = {
		0, sizeof(struct fuse_open_out), sizeof(struct fuse_attr_out),
		sizeof(struct fuse_entry_out), sizeof(struct fuse_statfs_out),
	};
	uint64_t state = test_seed();
	pthread_t thread;
	unsigned int tag;

	if (req->head.opcode != FUSE_INIT)
		return false;
	rogue_be_honest(r, req);
	CHECK(!pthread_create(&thread, NULL, scribble, r));
	for (;;) {
		int tag_or_err = rogue_call(r, FERRY_SYNC_POLL);

		if (tag_or_err == -ENODEV)
			_exit(0);
		if (tag_or_err < 0)
			usleep(100);
		for (tag = 0; tag < r->geo.depth; tag++) {
			struct ferry_desc *d = rogue_desc(r, tag);

			d->error = next_random(&state) % 4 ? 0 : -EIO;
			d->rep_len = lens[next_random(&state) % COUNT(lens)];
			d->rep_data = next_random(&state) % 4 ? 0 : next_random(&state) % FILE_SIZE;
			rogue_call(r, FERRY_SYNC_REPLY | tag);
		}
	}
}

static int op_anything(void)
{
	static int (*const ops[])(void) = {
		op_stat_file, op_read_file, op_read_direct, op_write_direct, op_open_file, op_list,
		op_list_dir, op_readlink, op_statfs, op_mkdir, op_unlink, op_truncate,
	};
	uint64_t state = getpid();
	int i;

	for (i = 0; i < 100; i++)
		ops[next_random(&state) % COUNT(ops)]();
	return 0;
}

/* Another channel, in the directory "near", whose server is honest. */
static void scribbles(enum style style)
{
	struct rogue near, r;
	pid_t pids[3], worker_pid;
	size_t i;

	claim_note("seed %u", test_seed());
	DO(mkdir("near", 0755));
	DO(chdir("near"));
	near = rogue_start(style, NULL);
	worker_pid = worker(&near, -1);
	DO(chdir(".."));
	r = rogue_start(style, serve_blindly);
	for (i = 0; i < COUNT(pids); i++)
		pids[i] = rogue_client(op_anything);
	for (i = 0; i < COUNT(pids); i++)
		CHECK_EQ(rogue_status(pids[i], 40, "a client"), 0);
	await_work(1);
	rogue_end(&r);
	end_work(&worker_pid, 1);
	DO(chdir("near"));
	rogue_end(&near);
}
IN_EACH_MAPPED(scribbles)

/*
 * When the client has its answer: all words as if there were one again, and an error; the box
 * as if the request were there still, and nothing in the queue.
 */
static bool set_back(struct rogue *r, const struct request *req)
{
	volatile int *returned = r->page;
	struct ferry_box *box = rogue_box(r);
	struct request next;
	unsigned int tag;

	if (req->head.opcode != FUSE_STATFS)
		return false;
	rogue_be_honest(r, req);
	while (!*returned)
		usleep(1000);
	for (tag = 0; tag < r->geo.depth; tag++) {
		struct ferry_desc *d = rogue_desc(r, tag);

		d->error = -EPERM;
		d->rep_len = 0;
		__atomic_store_n(&d->done, 1, __ATOMIC_SEQ_CST);
		CHECK_EQ(ioctl(r->fd, FERRY_IOC_SYNC, FERRY_SYNC_KICK | tag), 0);
		CHECK_ERR(ioctl(r->fd, FERRY_IOC_SYNC, FERRY_SYNC_REPLY | tag), ENOENT);
	}
	box->box = req->tag;
	box->pending = 0;
	*returned = 0;
	r->style = SYNC;
	if (rogue_fetch(r, &next)) {
		CHECK(next.head.unique != req->head.unique);
		rogue_be_honest(r, &next);
	}
	box->box = FERRY_BOX_NONE;
	r->style = POLL;
	return true;
}

static void words_set_back(void)
{
	struct rogue r = rogue_start(POLL, set_back);
	volatile int *returned = r.page;
	int i;

	for (i = 0; i < 10; i++) {
		CHECK_EQ(rogue_try(op_statfs, 10), 0);
		*returned = 1;
		CHECK_SOON(!*returned, 10, "the words are not set back");
		CHECK_EQ(rogue_try(op_statfs, 10), 0);
		rogue_await(&r, i + 1);
	}
	rogue_end(&r);
}

/* What lies in the slot is what the kernel has written there: no answer to this. */
static bool answer_unmapped(struct rogue *r, const struct request *req)
{
	if (req->head.opcode != FUSE_STATFS)
		return false;
	DO(munmap(r->map, r->geo.queue_size));
	CHECK_EQ(rogue_call(r, FERRY_SYNC_REPLY | req->tag), -EINVAL);
	map_again(r, r->fd);
	return true;
}

static bool die_unmapped(struct rogue *r, const struct request *req)
{
	if (req->head.opcode != FUSE_STATFS)
		return false;
	DO(munmap(r->map + r->geo.slot_off, r->geo.slot_size));
	*(volatile char *)(r->map + r->geo.slot_off) = 1;
	return true;
}

static void unmaps(enum style style)
{
	struct rogue r = rogue_start(style, answer_unmapped);
	int i;

	for (i = 0; i < 3; i++) {
		CHECK_EQ(rogue_try(op_statfs, 10), EIO);
		CHECK_EQ(rogue_try(op_read_direct, 10), 0);
	}
	rogue_await(&r, 3);
	rogue_end(&r);

	r = rogue_start(style, die_unmapped);
	CHECK_EQ(rogue_try(op_statfs, 10), ENOTCONN);
	CHECK_EQ(rogue_try(op_stat_file, 10), ENOTCONN);
	rogue_kill(&r);
	rogue_end(&r);
}
IN_EACH_MAPPED(unmaps)

/* --- processes and files ------------------------------------------------------------- */

static bool fork_in_vain(struct rogue *r, const struct request *req)
{
	int status;
	pid_t pid;

	if (req->head.opcode != FUSE_STATFS)
		return false;
	pid = DO(fork());
	if (!pid) {
		if (r->map)
			(void)*(volatile char *)r->map;
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (r->map)
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	else
		CHECK_EQ(status, 0);
	rogue_be_honest(r, req);
	return true;
}

/* Whose children see what their parent alone has mapped (VM_DONTCOPY), at least in 6.1. */
static bool user_mode_linux(void)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[128];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, "User Mode Linux");
	if (file)
		fclose(file);
	return found;
}

static void child_ends(enum style style)
{
	struct rogue r;
	pid_t pids[2];
	size_t i;

	if (style != RW && user_mode_linux())
		claim_skip("a User-Mode Linux has no mappings that a child does not inherit");
	r = rogue_start(style, fork_in_vain);

	for (i = 0; i < COUNT(pids); i++)
		pids[i] = worker(&r, -1);
	rogue_await(&r, 10);
	end_work(pids, COUNT(pids));
	rogue_end(&r);
}
IN_EACH_STYLE(child_ends)

/* The child waits for its parent's end, and has the request that this one keeps. */
static bool leave_to_child(struct rogue *r, const struct request *req)
{
	pid_t parent = getpid();
	struct request next;

	if (req->head.opcode != FUSE_STATFS)
		return false;
	if (DO(fork()))
		return true;
	while (getppid() == parent)
		usleep(1000);
	if (r->map) {
		map_again(r, r->fd);
		rogue_box(r)->box = FERRY_BOX_NONE;
	}
	if (r->style == URING)
		ring_open(&r->ring);
	rogue_be_honest(r, req);
	while (rogue_fetch(r, &next))
		rogue_be_honest(r, &next);
	*(volatile int *)r->page = 1;
	_exit(0);
}

static void child_goes_on(enum style style)
{
	struct rogue r = rogue_start(style, leave_to_child);
	pid_t pid = rogue_client(op_statfs);

	rogue_await(&r, 1);
	rogue_kill(&r);
	rogue_unharmed(pid);
	CHECK_EQ(rogue_try(op_statfs, 10), 0);
	CHECK_EQ(rogue_try(op_read_file, 10), 0);
	rogue_end(&r);
	CHECK_SOON(*(volatile int *)r.page, 5, "the child does not end");
}
IN_EACH_STYLE(child_goes_on)

/* It goes on by another file of the channel, while it has a request by the first. */
static bool close_one(struct rogue *r, const struct request *req)
{
	struct ferry_setup setup = { .size = sizeof(setup), .abi = FERRY_ABI, .fd = r->fd };
	int other;

	if (req->head.opcode != FUSE_STATFS)
		return false;
	other = rogue_open();
	DO(ioctl(other, FERRY_IOC_ATTACH, &setup));
	DO(close(r->fd));
	/* What is mapped is a file too. */
	if (r->map)
		map_again(r, other);
	r->fd = other;
	rogue_be_honest(r, req);
	return true;
}

static void closes_one(enum style style)
{
	struct rogue r = rogue_start(style, close_one);
	pid_t pids[3];
	size_t i;

	for (i = 0; i < COUNT(pids); i++)
		pids[i] = worker(&r, -1);
	rogue_await(&r, 30);
	end_work(pids, COUNT(pids));
	rogue_end(&r);
}
IN_EACH_STYLE(closes_one)

/* --- time and processors -------------------------------------------------------------- */

/* The kernel takes it for spinning: the next request goes to its box, and is waited for. */
static bool stop_in_spin(struct rogue *r, const struct request *req)
{
	volatile struct ferry_box *box = rogue_box(r);
	struct request next = { .tag = 0 };

	if (req->head.opcode != FUSE_STATFS)
		return false;
	rogue_be_honest(r, req);
	CHECK_EQ(box->box, FERRY_BOX_NONE);
	box->cpu = ~0U;
	__atomic_store_n(&box->box, FERRY_BOX_SPINNING, __ATOMIC_SEQ_CST);
	raise(SIGSTOP);
	CHECK(box->box < r->geo.depth);
	next.tag = box->box;
	next.arg = rogue_slot(r, next.tag) + sizeof(next.head);
	next.room = rogue_desc(r, next.tag)->data_len;
	memcpy(&next.head, rogue_slot(r, next.tag), sizeof(next.head));
	box->box = FERRY_BOX_NONE;
	rogue_be_honest(r, &next);
	return true;
}

static double children_time(void)
{
	struct rusage u;

	DO(getrusage(RUSAGE_CHILDREN, &u));
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void stopped_in_spin(void)
{
	struct rogue r = rogue_start(POLL, stop_in_spin);
	pid_t pids[4];
	int status, kills;
	double took, lasted;
	size_t i;

	for (kills = 1; kills >= 0; kills--) {
		CHECK_EQ(rogue_try(op_statfs, 10), 0);
		CHECK_EQ(waitpid(r.pid, &status, WUNTRACED), r.pid);
		CHECK(WIFSTOPPED(status));
		took = children_time();
		lasted = now();
		/* Not by name: lookups of one wait for each other. */
		for (i = 0; i < COUNT(pids); i++)
			pids[i] = rogue_client(op_list);
		usleep(1000000);
		for (i = 0; i < COUNT(pids) && kills; i++)
			rogue_dies(pids[i]);
		DO(kill(r.pid, SIGCONT));
		for (i = 0; i < COUNT(pids) && !kills; i++)
			CHECK_EQ(rogue_status(pids[i], 10, "list"), 0);
		/* They have looked for a while, and then slept: else they had all there was. */
		took = children_time() - took;
		lasted = now() - lasted;
		if (took > 0.75 * lasted)
			claim_fail(__FILE__, __LINE__, "the clients took %.1f of %.1f s", took, lasted);
		CHECK_EQ(rogue_try(op_read_file, 10), 0);
	}
	rogue_end(&r);
}

static void put(const char *path, const char *text)
{
	int fd = DO(open(path, O_WRONLY));

	write_all(fd, text, strlen(text));
	DO(close(fd));
}

/* As far as a suspend goes before devices stop: all tasks are frozen, for a second. */
static void suspended(enum style style)
{
	static const char test[] = "/sys/power/pm_test";
	struct rogue r = rogue_start(style, NULL);
	int status;
	pid_t pid;

	if (access(test, W_OK))
		claim_skip("this kernel has no %s", test);
	CHECK_EQ(rogue_try(op_stat_file, 10), 0);
	DO(kill(r.pid, SIGSTOP));
	pid = rogue_client(op_stat_file);
	usleep(200000);
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	put(test, "freezer");
	put("/sys/module/suspend/parameters/pm_test_delay", "1");
	put("/sys/power/state", "freeze");
	put(test, "none");
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	DO(kill(r.pid, SIGCONT));
	CHECK_EQ(rogue_status(pid, 10, "stat"), 0);
	rogue_end(&r);
}
IN_EACH_STYLE(suspended)

#define CPU1	"/sys/devices/system/cpu/cpu1/online"

/* A claim that has failed may have left the second one off. */
static void need_two_processors(void)
{
	if (!access(CPU1, W_OK))
		put(CPU1, "1");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		claim_skip("there is one processor");
}

static void moved(enum style style)
{
	pid_t pids[2];
	struct rogue r;
	int i;

	need_two_processors();
	rogue_tells_cpu = true;
	r = rogue_start(style, NULL);
	for (i = 0; i < 2; i++)
		pids[i] = worker(&r, i);
	for (i = 0; i < 100; i++) {
		pin(r.pid, i % 2);
		await_work(2);
	}
	end_work(pids, COUNT(pids));
	rogue_end(&r);
}
IN_EACH_STYLE(moved)

/* Before there is work, another server comes to the second queue, on the second processor. */
static bool second_server(struct rogue *r, const struct request *req)
{
	struct ferry_setup setup = {
		.size = sizeof(setup), .abi = FERRY_ABI, .fd = r->fd, .queue = 1,
	};
	struct request next;

	if (req->head.opcode != FUSE_INIT || fork())
		return false;
	r->fd = rogue_open();
	DO(ioctl(r->fd, FERRY_IOC_ATTACH, &setup));
	DO(close(setup.fd));
	map_again(r, r->fd);
	r->style = SYNC;
	pin(0, 1);
	(*r->told)++;
	while (rogue_fetch(r, &next))
		rogue_be_honest(r, &next);
	_exit(0);
}

static void processors_go(enum style style)
{
	struct ferry_setup setup = rogue_setup(style);
	struct rogue r;
	pid_t pids[3];
	int i;

	need_two_processors();
	if (access(CPU1, W_OK))
		claim_skip("no processor can be taken away");
	rogue_tells_cpu = true;
	setup.geo.nr_queues = 2;
	r = rogue_start_as(setup, style, second_server);
	for (i = 0; i < 3; i++)
		pids[i] = worker(&r, i - 1);
	rogue_await(&r, 1);
	for (i = 0; i < 5; i++) {
		await_work(20);
		put(CPU1, "0");
		await_work(20);
		put(CPU1, "1");
	}
	await_work(20);
	end_work(pids, COUNT(pids));
	rogue_end(&r);
}
IN_EACH_MAPPED(processors_go)

static const struct claim claims[] = {
	EACH_MAPPED("a server that scribbles over its queues hurts its own clients alone", scribbles),
	{ "poll: words that are set back to what they were answer nothing, and lose nothing",
	  words_set_back },
	EACH_MAPPED("a server that unmaps its queue has no answer, or dies of it", unmaps),
	EACH("a server's child has not its memory, and ends unnoticed", child_ends),
	EACH("a server's child goes on with what its dead parent had", child_goes_on),
	EACH("a server closes one of two files, and nobody notices", closes_one),
	{ "poll: clients of a server that is stopped while it spins sleep, die, or wait for it",
	  stopped_in_spin },
	EACH("a machine is suspended while clients wait for a server", suspended),
	EACH("a server that is moved from processor to processor loses no request", moved),
	EACH_MAPPED("processors go and come under servers and clients", processors_go),
};
CLAIMS_MAIN(claims)
