// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Rounds: how one begins, and the ways in which it ends. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

#define CLIENTS		3
#define SERVERS		3		/* one after the other */

/* Mutations of all claims together, at FERRY_TEST_SCALE=100; and of a round, at most. */
#define MUTATIONS	40000
#define PER_ROUND	2000

/* Rounds at a time */
#define JOBS		3

/* However it is killed or unmounted, it ends within that. */
#define PATIENCE	patience(10)

static void show_file(pid_t pid, const char *name)
{
	char file[64], line[256];
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/%s", (int)pid, name);
	f = fopen(file, "r");
	while (f && fgets(line, sizeof(line), f))
		printf("# %s", line);
	if (f)
		fclose(f);
}

/* @pid is dead by now or soon. */
static void dies(pid_t pid, const char *what)
{
	double end = now() + PATIENCE;
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (now() > end) {
			show_file(pid, "stack");
			show_file(pid, "status");
			claim_fail(__FILE__, __LINE__, "%s, process %d, lives %.0f s after SIGKILL",
				   what, (int)pid, PATIENCE);
		}
		usleep(1000);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status))
		_exit(1);
}

static pid_t fork_process(bool (*what)(struct round *r), struct round *r)
{
	pid_t pid = DO(fork());

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(what(r) ? 0 : 1);
	}
	return pid;
}

/* false: it has not ended */
static bool ends_within(pid_t pid, int *status, double seconds)
{
	double end = now() + seconds;

	while (waitpid(pid, status, WNOHANG) != pid) {
		if (now() > end)
			return false;
		usleep(1000);
	}
	return true;
}

/* Run in a process of its own, which can be killed; false: it had to be. */
static bool in_process(bool (*what)(struct round *r), struct round *r, double seconds)
{
	pid_t pid = fork_process(what, r);
	int status;

	if (ends_within(pid, &status, seconds))
		return WIFEXITED(status) && !WEXITSTATUS(status);
	dies(pid, "what ends the round");
	return false;
}

/* Moves and the like kill whoever made the channel, so that is not us. */
static pid_t fork_server(struct round *r, unsigned int process)
{
	pid_t pid = DO(fork());

	if (!pid)
		serve(r, process);
	return pid;
}

/* The file of the channel that @pid has made. */
static int take_file(struct round *r, pid_t pid)
{
	double end = now() + PATIENCE;
	int fd, pidfd = DO(syscall(SYS_pidfd_open, pid, 0));

	while (r->fd < 0) {
		CHECK(now() < end);
		usleep(1000);
	}
	fd = DO(syscall(SYS_pidfd_getfd, pidfd, r->fd, 0));
	close(pidfd);
	return fd;
}

/* --- clients ------------------------------------------------------------------ */

static bool do_mount(struct round *r)
{
	char options[128];

	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", r->setup.fd);
	return !mount("fuzz", "mnt", "ferry", 0, options);
}

static bool is_mounted(void)
{
	char line[4096];
	FILE *f = fopen("/proc/self/mounts", "r");
	bool found = false;

	CHECK(f);
	while (!found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "fuzz ", 5);
	fclose(f);
	return found;
}

static bool umount_plainly(struct round *r)
{
	return !umount("mnt");
}

static bool umount_by_force(struct round *r)
{
	return !umount2("mnt", MNT_FORCE);
}

static bool delete_disk(struct round *r)
{
	struct ferry_blk_del del = { .index = r->disk, .flags = FERRY_BLK_DEL_FORCE };
	int fd = open("/dev/ferryblk", O_RDWR | O_CLOEXEC);

	return !ioctl(fd, FERRY_BLK_IOC_DEL, &del) || errno == ENODEV;
}

/* Its server leaves, and finds nobody that follows; or a backend of the kernel does. */
static bool move_to_user(struct round *r)
{
	struct ferry_move m = {
		.size = sizeof(m), .to = FERRY_MOVE_USER, .id = r->setup.id,
		.fd = memfd_create("state", 0),
	};

	ioctl(open("/dev/ferry", O_RDWR), FERRY_IOC_MOVE, &m);
	return true;
}

static bool move_to_kernel(struct round *r)
{
	struct ferry_move m = {
		.size = sizeof(m), .to = FERRY_MOVE_KERNEL, .id = r->setup.id,
		.fd = memfd_create("state", 0),
	};

	ioctl(open("/dev/ferry", O_RDWR), FERRY_IOC_MOVE, &m);
	return true;
}

/* Dirty pages may want a server: none of those that lie is a help. */
static void unmount(struct round *r)
{
	double end = now() + PATIENCE;

	while (is_mounted()) {
		if (now() > end)
			claim_fail(__FILE__, __LINE__, "it is mounted after %.0f s", PATIENCE);
		in_process(umount_by_force, r, PATIENCE);
		usleep(1000);
	}
}

static void remove_disk(struct round *r)
{
	double end = now() + PATIENCE;
	char name[64];

	snprintf(name, sizeof(name), "/sys/block/ferryb%d", r->disk);
	while (r->disk >= 0 && !access(name, F_OK)) {
		if (now() > end)
			claim_fail(__FILE__, __LINE__, "%s is there after %.0f s", name,
				   PATIENCE);
		in_process(delete_disk, r, PATIENCE);
		usleep(1000);
	}
}

/* --- a round ------------------------------------------------------------------ */

static void plan(struct round *r, uint64_t *rng)
{
	static const char *const names[] = { "fuzz", "null", "memfs", "file" };
	static const uint32_t flags[] = {
		0, FERRY_CREATE_POLL, FERRY_CREATE_URING, FERRY_CREATE_RW,
	};
	struct ferry_setup *s = &r->setup;

	*s = (struct ferry_setup){
		.size = sizeof(*s),
		.abi = FERRY_ABI,
		.class = r->class,
		.flags = flags[r->style],
		.state_fd = one_in(rng, 4) ? memfd_create("state", 0) : -1,
		.timeout = one_in(rng, 4),
		.geo = {
			.nr_queues = 1 + below(rng, 3),
			.depth = 1 + below(rng, 12),
			.data_size = 4096u << below(rng, 7),
		},
	};
	if (r->style != RW && one_in(rng, 2)) {
		s->on_death = FERRY_DEATH_REISSUE;
		s->grace = 1;
	}
	strcpy(s->name, names[below(rng, COUNT(names))]);
}

static void await_mutations(struct round *r, unsigned long nr)
{
	double end = now() + r->seconds;

	while (r->done < nr && now() < end)
		usleep(2000);
}

/*
 * The last server of a channel, or none of them, lives on until its client goes. Where
 * dirty pages are to be written back the order matters, so it is left to chance.
 */
static void end_round(struct round *r, uint64_t *rng, pid_t server, const pid_t *clients)
{
	bool fs = r->class == FERRY_CLASS_FS;
	bool servers_first = one_in(rng, 2);
	pid_t unmounting = 0;
	int status, i;

	r->calm = one_in(rng, 4);
	switch (below(rng, 6)) {
	case 0:
		r->stop = 1;
		break;
	case 1:
		in_process(fs ? umount_by_force : delete_disk, r, PATIENCE);
		break;
	case 2:
		in_process(move_to_user, r, 3);
		break;
	case 3:
		in_process(move_to_kernel, r, 3);
		break;
	}
	if (servers_first)
		dies(server, "a server");
	/* Who waits for a disk cannot be killed, on any disk: it must fail first. */
	if (!fs)
		remove_disk(r);
	/* One may wait for a lock that another has, in the kernel's path lookup. */
	for (i = 0; i < CLIENTS; i++)
		kill(clients[i], SIGKILL);
	for (i = 0; i < CLIENTS; i++)
		dies(clients[i], "a client");
	if (fs && !servers_first && one_in(rng, 2)) {
		unmounting = fork_process(umount_plainly, r);
		if (ends_within(unmounting, &status, 3))
			unmounting = 0;
		else
			kill(unmounting, SIGKILL);
	}
	if (fs)
		unmount(r);
	if (!servers_first)
		dies(server, "a server");
	/* So that nothing is lost it has waited for an answer, or for this. */
	if (unmounting)
		dies(unmounting, "umount");
}

static void play(struct round *r)
{
	uint64_t rng = (r->number + 1) * 0x2545f4914f6cdd1dull;
	pid_t server, clients[CLIENTS];
	unsigned int process, servers = SERVERS, i;
	int fd;

	plan(r, &rng);
	server = fork_server(r, 0);
	if (r->setup.state_fd >= 0)
		close(r->setup.state_fd);
	fd = take_file(r, server);
	r->setup.state_fd = -1;
	/* It may do what it likes before there is a client, too. */
	if (one_in(&rng, 4))
		await_mutations(r, r->target / 20);
	r->go = 1;
	r->setup.fd = fd;
	if (r->class == FERRY_CLASS_FS && !in_process(do_mount, r, PATIENCE)) {
		dies(server, "a server");
		close(fd);
		return;
	}
	close(fd);
	for (i = 0; i < CLIENTS; i++) {
		clients[i] = DO(fork());
		if (clients[i])
			continue;
		if (r->class == FERRY_CLASS_FS)
			use_fs(r, i);
		else
			use_disk(r, i);
	}
	if (r->setup.on_death == FERRY_DEATH_FAIL)
		servers = 1;
	for (process = 1; process < servers; process++) {
		await_mutations(r, r->target * process / servers);
		dies(server, "a server");
		if (one_in(&rng, 2))
			usleep(below(&rng, 50000));
		server = fork_server(r, process);
	}
	await_mutations(r, r->target);
	end_round(r, &rng, server, clients);
}

static int references(void)
{
	FILE *f = fopen("/sys/module/ferry/refcnt", "r");
	int nr = -1;

	if (f && fscanf(f, "%d", &nr) != 1)
		nr = -1;
	if (f)
		fclose(f);
	return nr;
}

/* Each open file and each disk has one: what a round has had is given back. */
static void await_references(int nr)
{
	double end = now() + PATIENCE;

	while (references() != nr) {
		if (now() > end)
			claim_fail(__FILE__, __LINE__, "ferry.ko has %d references, not %d",
				   references(), nr);
		usleep(1000);
	}
}

/* In a directory and with mounts of its own, beside others. */
static pid_t fork_round(struct round *r, unsigned int job)
{
	pid_t pid;
	char dir[16];

	printf("# round %#llx\n", (unsigned long long)r->number);
	fflush(stdout);
	pid = DO(fork());
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(dir, sizeof(dir), "%u", job);
	DO(chdir(dir));
	DO(unshare(CLONE_NEWNS));
	DO(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	play(r);
	_exit(0);
}

/* Which of them has ended; that is well, or the claim fails. */
static unsigned int wait_round(pid_t *pids)
{
	unsigned int i = 0;
	siginfo_t info;

	DO(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT));
	while (pids[i] != info.si_pid)
		CHECK(++i < JOBS);
	wait_ok(pids[i]);
	pids[i] = 0;
	return i;
}

/*
 * As many rounds side by side as keep the processors busy: each waits a good part of its time.
 * FERRY_FUZZ_ROUND=N: just that one, as often as there would be rounds.
 */
static void fuzz(uint32_t class, enum style style)
{
	struct round *rounds = mmap(NULL, JOBS * sizeof(*rounds), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long wanted = test_scale(MUTATIONS / 8), all = 0;
	const unsigned long per_round = wanted / 6 < PER_ROUND ? wanted / 6 + 1 : PER_ROUND;
	const char *only = getenv("FERRY_FUZZ_ROUND");
	unsigned int way = (class - 1) * 4 + style, running = 0, i;
	const uint64_t first = (uint64_t)test_seed() << 32;
	uint64_t number = first;
	int before = references();
	char dir[16];
	pid_t pids[JOBS] = { 0 };

	CHECK(rounds != MAP_FAILED);
	need_root();
	if (access(class == FERRY_CLASS_BLOCK ? "/dev/ferryblk" : "/dev/ferry", F_OK))
		claim_skip("no ferry here");
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < JOBS; i++) {
		snprintf(dir, sizeof(dir), "%u", i);
		DO(mkdir(dir, 0755));
		snprintf(dir, sizeof(dir), "%u/mnt", i);
		DO(mkdir(dir, 0755));
	}
	for (;;) {
		/* A round's end takes longer than its mutations: the next does not wait for it. */
		for (i = 0; i < JOBS && all + running * per_round < wanted; i++) {
			if (pids[i])
				continue;
			rounds[i] = (struct round){
				.number = only ? strtoull(only, NULL, 0) : number * 8 + way,
				.class = class,
				.style = style,
				.target = per_round,
				.seconds = PATIENCE / 5,
				.fd = -1,
				.disk = -1,
			};
			pids[i] = fork_round(&rounds[i], i);
			number++;
			running++;
		}
		if (!running)
			break;
		i = wait_round(pids);
		all += rounds[i].done;
		running--;
		if (!running)
			await_references(before);
	}
	claim_note("%lu mutations in %llu rounds", all, (unsigned long long)(number - first));
}

#define CLAIM(name, class, style)					\
	static void name(void) { fuzz(FERRY_CLASS_##class, style); }
CLAIM(fs_sync, FS, SYNC)
CLAIM(fs_poll, FS, POLL)
CLAIM(fs_uring, FS, URING)
CLAIM(fs_rw, FS, RW)
CLAIM(disk_sync, BLOCK, SYNC)
CLAIM(disk_poll, BLOCK, POLL)
CLAIM(disk_uring, BLOCK, URING)
CLAIM(disk_rw, BLOCK, RW)

int main(int argc, char **argv)
{
	struct claim claims[] = {
		{ "sync: a filesystem's server does anything at random", fs_sync },
		{ "poll: a filesystem's server does anything at random", fs_poll },
		{ "uring: a filesystem's server does anything at random", fs_uring },
		{ "rw: a filesystem's server does anything at random", fs_rw },
		{ "sync: a disk's server does anything at random", disk_sync },
		{ "poll: a disk's server does anything at random", disk_poll },
		{ "uring: a disk's server does anything at random", disk_uring },
		{ "rw: a disk's server does anything at random", disk_rw },
	};
	size_t i;

	/* Forty mutations a second is a machine that is emulated, debugged and shared. */
	for (i = 0; i < COUNT(claims); i++)
		claims[i].seconds = 120 + test_scale(MUTATIONS / 8) / 40;
	return claims_main(argc, argv, claims, COUNT(claims));
}
