// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Taking a dead server's place: who may, when, and what is found there. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rogue.h"

#ifndef MFD_HUGETLB
#define MFD_HUGETLB	4U
#endif

static struct ferry_setup reissuing(unsigned int grace)
{
	struct ferry_setup setup = rogue_setup(SYNC);

	setup.on_death = FERRY_DEATH_REISSUE;
	setup.grace = grace;
	return setup;
}

/* A channel whose server has died. */
static struct rogue detached(struct ferry_setup setup)
{
	struct rogue r = rogue_start_as(setup, SYNC, NULL);

	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	rogue_kill(&r);
	return r;
}

static int attach(int fd, unsigned int id, unsigned int queue)
{
	struct ferry_setup setup = rogue_succession(id);

	setup.queue = queue;
	return ioctl(fd, FERRY_IOC_ATTACH, &setup);
}

static void live_is_busy(void)
{
	struct rogue r = rogue_start_as(reissuing(30), SYNC, NULL);
	int fd = rogue_open();

	CHECK_ERR(attach(fd, r.id, 0), EBUSY);
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	CHECK_ERR(attach(fd, r.id, 0), EBUSY);
	/* It is nobody's endpoint after that. */
	CHECK_ERR(ioctl(fd, FERRY_IOC_SYNC, FERRY_SYNC_POLL), ENOTCONN);
	rogue_end(&r);
}

static void waiting_is_busy(void)
{
	struct ferry_setup setup = reissuing(30);
	int server = rogue_open(), fd = rogue_open();

	DO(ioctl(server, FERRY_IOC_CREATE, &setup));
	CHECK_ERR(attach(fd, setup.id, 0), EBUSY);
	DO(close(server));
	/* It never had a client, and is gone. */
	CHECK_ERR(attach(fd, setup.id, 0), ENOENT);
}

static void unknown_is_enoent(void)
{
	struct rogue r = detached(reissuing(30));
	int fd = rogue_open();

	CHECK_ERR(attach(fd, 0, 0), ENOENT);
	CHECK_ERR(attach(fd, r.id + 1, 0), ENOENT);
	CHECK_ERR(attach(fd, 0x7fffffff, 0), ENOENT);
	CHECK_ERR(attach(fd, 0x80000000, 0), ENOENT);
	CHECK_ERR(attach(fd, 0xffffffff, 0), ENOENT);
	rogue_next(&r, NULL);
	rogue_end(&r);
}

static void queue_is_checked(void)
{
	struct rogue r = detached(reissuing(30));
	int fd = rogue_open();

	CHECK_ERR(attach(fd, r.id, 1), EINVAL);
	CHECK_ERR(attach(fd, r.id, 0xffffffff), EINVAL);
	DO(attach(fd, r.id, 0));
	CHECK_ERR(attach(fd, r.id, 0), EBUSY);
	DO(close(fd));
	rogue_next(&r, NULL);
	rogue_end(&r);
}

static void of_others(void)
{
	struct rogue r = rogue_start_as(reissuing(30), SYNC, NULL);
	int fd = rogue_open();
	pid_t pid;
	int round;

	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	for (round = 0; round < 2; round++) {
		pid = DO(fork());
		if (!pid) {
			become(65534, 65534);
			CHECK_ERR(attach(fd, r.id, 0), ENOENT);
			CHECK_ERR(attach(fd, r.id, 99), ENOENT);
			CHECK_ERR(attach(fd, r.id + 1, 0), ENOENT);
			_exit(0);
		}
		wait_ok(pid);
		if (!round)
			rogue_kill(&r);
	}
	rogue_next(&r, NULL);
	rogue_end(&r);
}

/* Who made the channel need not be root to come back to it, and root may not in its place. */
static void of_its_owner(void)
{
	struct ferry_move move = { .size = sizeof(move), .to = FERRY_MOVE_USER };
	struct rogue r = { .style = SYNC };
	int fd = rogue_open(), next = rogue_open();
	struct ferry_setup setup = reissuing(30);
	pid_t pid;

	DO(seteuid(65534));
	DO(ioctl(fd, FERRY_IOC_CREATE, &setup));
	DO(seteuid(0));
	r.id = setup.id;
	move.id = setup.id;
	move.fd = DO(memfd_create("stream", 0));
	DO(mkdir("mnt", 0755));
	pid = DO(fork());
	if (!pid) {
		/* Answers INIT, which is all there is until the mount is used. */
		struct request req;

		r.fd = fd;
		r.geo = setup.geo;
		r.buf = xmalloc(1 << 20);
		r.map = mmap(NULL, r.geo.queue_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		CHECK(r.map != MAP_FAILED);
		CHECK(rogue_fetch(&r, &req));
		rogue_be_honest(&r, &req);
		_exit(0);
	}
	DO(rogue_mount_fd(fd, "mnt"));
	CHECK_ERR(ioctl(next, FERRY_IOC_MOVE, &move), EPERM);
	DO(close(fd));
	wait_ok(pid);
	/* Root's next server would live in a memory that the user has mapped. */
	CHECK_ERR(attach(next, setup.id, 0), EPERM);
	CHECK_ERR(ioctl(next, FERRY_IOC_MOVE, &move), EPERM);
	pid = DO(fork());
	if (!pid) {
		become(65534, 65534);
		DO(attach(next, setup.id, 0));
		_exit(0);
	}
	wait_ok(pid);
	DO(close(next));
	DO(close(move.fd));
	DO(umount2("mnt", MNT_FORCE));
	DO(rmdir("mnt"));
}

/* Longer than a request may take here. */
static bool saves_slowly(struct rogue *r, const struct request *req)
{
	struct ferry_move saved = { .size = sizeof(saved), .to = FERRY_MOVE_SAVED };

	if (req->head.opcode != FERRY_OP_SAVE && req->head.opcode != FUSE_STATFS)
		return false;
	saved.fd = DO(memfd_create("saved", 0));
	if (req->head.opcode == FUSE_STATFS) {
		CHECK_ERR(ioctl(r->fd, FERRY_IOC_MOVE, &saved), EINVAL);
		return false;
	}
	usleep(2500000);
	DO(ioctl(r->fd, FERRY_IOC_MOVE, &saved));
	CHECK_EQ(rogue_answer(r, req, &(struct answer){ 0 }), 0);
	return true;
}

static void saving(void)
{
	struct ferry_move move = { .size = sizeof(move), .to = FERRY_MOVE_USER };
	struct ferry_setup setup = reissuing(30);
	struct rogue r;

	setup.timeout = 1;
	r = rogue_start_as(setup, SYNC, saves_slowly);
	CHECK_EQ(rogue_try(op_statfs, 10), 0);
	move.id = r.id;
	move.fd = DO(memfd_create("stream", 0));
	DO(ioctl(rogue_open(), FERRY_IOC_MOVE, &move));
	rogue_kill(&r);
	rogue_next(&r, NULL);
	CHECK_EQ(rogue_try(op_statfs, 10), 0);
	rogue_end(&r);
}

static void attach_in_vain(const struct rogue *r, unsigned int times)
{
	while (times--) {
		int fd = rogue_open();

		CHECK_EQ(attach(fd, r->id, 0), 0);
		DO(close(fd));
	}
}

/* Whoever starts them knows when it is enough. */
static void vain(void)
{
	struct rogue r = detached(reissuing(30));

	attach_in_vain(&r, 20);
	rogue_next(&r, NULL);
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	rogue_end(&r);
}

#define RESCUE	"/sys/module/ferry/parameters/rescue"

static void set_rescue(const char *command)
{
	int fd = DO(open(RESCUE, O_WRONLY));

	write_all(fd, command, strlen(command));
	DO(close(fd));
}

/* The kernel would start them again and again; here it finds none to start. */
static void vain_without_rescue(void)
{
	struct ferry_setup setup = reissuing(30);
	struct rogue r;

	setup.on_death = FERRY_DEATH_KERNEL;
	strcpy(setup.name, "null");
	set_rescue("/nonexistent");
	r = detached(setup);
	attach_in_vain(&r, 16);
	CHECK_EQ(rogue_try(op_stat_file, 5), ENOTCONN);
	rogue_end(&r);
}

/* In a process of its own: whatever comes of it, the next claims find what they need. */
static void vain_for_kernel(void)
{
	char was[4096] = "";
	int fd, status;
	pid_t pid;

	need_root();
	fd = DO(open(RESCUE, O_RDONLY));
	CHECK(read_all(fd, was, sizeof(was) - 1) > 0);
	DO(close(fd));
	pid = DO(fork());
	if (!pid) {
		vain_without_rescue();
		fflush(stdout);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	set_rescue(was);
	CHECK_EQ(status, 0);
}

static void one_wins(void)
{
	struct rogue r = detached(reissuing(30));
	unsigned int round, i;

	for (round = 0; round < 20; round++) {
		unsigned int won = 0;
		pid_t pids[4];
		int go[2];

		DO(pipe(go));
		for (i = 0; i < COUNT(pids); i++) {
			pids[i] = DO(fork());
			if (!pids[i]) {
				int fd = rogue_open();
				char c;

				DO(close(go[1]));
				/* The end of the pipe starts all of them. */
				CHECK_EQ(read(go[0], &c, 1), 0);
				if (attach(fd, r.id, 0)) {
					CHECK_EQ(errno, EBUSY);
					_exit(2);
				}
				/* Until the others have tried; SIGTERM ends it. */
				pause();
				_exit(3);
			}
		}
		DO(close(go[0]));
		DO(close(go[1]));
		for (i = 0; i < COUNT(pids) - 1; i++) {
			int status;
			pid_t pid = DO(wait(&status));
			unsigned int j;

			CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 2);
			for (j = 0; j < COUNT(pids); j++)
				if (pids[j] == pid)
					pids[j] = 0;
		}
		for (i = 0; i < COUNT(pids); i++) {
			if (pids[i]) {
				DO(kill(pids[i], SIGTERM));
				DO(waitpid(pids[i], NULL, 0));
				won++;
			}
		}
		CHECK_EQ(won, 1);
	}
	rogue_next(&r, NULL);
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	rogue_end(&r);
}

/* Threads of the next server attach by its file, as ever. */
static void many_queues(void)
{
	struct ferry_setup setup = reissuing(30);
	struct rogue r;
	int fds[4], i;

	setup.geo.nr_queues = 4;
	r = detached(setup);
	fds[0] = rogue_open();
	DO(attach(fds[0], r.id, 3));
	for (i = 1; i < 4; i++) {
		struct ferry_setup more = rogue_setup(SYNC);

		fds[i] = rogue_open();
		CHECK_ERR(attach(fds[i], r.id, i - 1), EBUSY);
		more.fd = fds[0];
		more.queue = i - 1;
		DO(ioctl(fds[i], FERRY_IOC_ATTACH, &more));
		CHECK_EQ(more.id, r.id);
	}
	for (i = 0; i < 4; i++)
		DO(close(fds[i]));
	rogue_next(&r, NULL);
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	rogue_end(&r);
}

static void told_to_the_next(void)
{
	struct ferry_setup first = reissuing(77), next;
	struct rogue r;
	int fd;

	first.timeout = 88;
	r = detached(first);
	next = rogue_succession(r.id);
	next.on_death = 5;
	next.grace = 6;
	next.timeout = 7;
	fd = rogue_open();
	DO(ioctl(fd, FERRY_IOC_ATTACH, &next));
	CHECK_EQ(next.id, r.id);
	CHECK_EQ(next.class, FERRY_CLASS_FS);
	CHECK_EQ(next.flags, first.flags);
	CHECK_EQ(next.on_death, FERRY_DEATH_REISSUE);
	CHECK_EQ(next.grace, 77);
	CHECK_EQ(next.timeout, 88);
	CHECK_EQ(next.state_fd, -1);
	CHECK(!strcmp(next.name, "rogue"));
	CHECK(!memcmp(&next.geo, &r.geo, sizeof(next.geo)));
	DO(close(fd));
	rogue_next(&r, NULL);
	rogue_end(&r);
}

static void aborted(void)
{
	struct rogue r = detached(reissuing(30));
	int dir = DO(open("mnt", O_PATH));
	int fd = rogue_open();

	/* Something holds the mount, so that only its channel ends. */
	CHECK_ERR(umount2("mnt", MNT_FORCE), EBUSY);
	CHECK_EQ(rogue_try(op_stat_file, 5), ENOTCONN);
	CHECK_ERR(attach(fd, r.id, 0), ENOTCONN);
	DO(close(dir));
	rogue_end(&r);
	CHECK_ERR(attach(fd, r.id, 0), ENOENT);
}

/* --- policy --------------------------------------------------------------------------- */

static void out_of_range(void)
{
	static const struct { unsigned int on_death, grace, timeout; enum style style; } bad[] = {
		{ FERRY_DEATH_REISSUE, 0, 0, SYNC },
		{ FERRY_DEATH_REISSUE, FERRY_GRACE_MAX + 1, 0, SYNC },
		{ FERRY_DEATH_REISSUE, 0xffffffff, 0, SYNC },
		{ FERRY_DEATH_FAIL, 1, 0, SYNC },
		{ FERRY_DEATH_FAIL, 0, FERRY_TIMEOUT_MAX + 1, SYNC },
		{ FERRY_DEATH_FAIL, 0, 0xffffffff, SYNC },
		{ 0x77, 1, 0, SYNC },
		{ 0xffffffff, 1, 0, SYNC },
		{ FERRY_DEATH_REISSUE, 30, 0, RW },
	};
	int fd = rogue_open();
	size_t i;

	for (i = 0; i < COUNT(bad); i++) {
		struct ferry_setup setup = rogue_setup(bad[i].style);

		setup.on_death = bad[i].on_death;
		setup.grace = bad[i].grace;
		setup.timeout = bad[i].timeout;
		CHECK_ERR(ioctl(fd, FERRY_IOC_CREATE, &setup), EINVAL);
	}
	{
		struct ferry_setup setup = reissuing(FERRY_GRACE_MAX);

		setup.timeout = FERRY_TIMEOUT_MAX;
		DO(ioctl(fd, FERRY_IOC_CREATE, &setup));
	}
}

/* --- what is kept ---------------------------------------------------------------------- */

static int try_state(int state_fd)
{
	struct ferry_setup setup = reissuing(30);
	int fd = rogue_open(), err;

	setup.state_fd = state_fd;
	err = ioctl(fd, FERRY_IOC_CREATE, &setup) ? errno : 0;
	DO(close(fd));
	if (state_fd >= 0)
		close(state_fd);
	return err;
}

static void state_of_a_kind(void)
{
	int fds[2], fd;

	DO(pipe(fds));
	CHECK_EQ(try_state(fds[0]), EMEDIUMTYPE);
	CHECK_EQ(try_state(fds[1]), EMEDIUMTYPE);
	CHECK_EQ(try_state(DO(open("/dev/null", O_RDWR))), EMEDIUMTYPE);
	CHECK_EQ(try_state(DO(open("/proc/self/exe", O_RDONLY))), EMEDIUMTYPE);
	CHECK_EQ(try_state(DO(open("/proc/self/status", O_RDONLY))), EMEDIUMTYPE);
	CHECK_EQ(try_state(DO(open("/dev", O_RDONLY | O_DIRECTORY))), EMEDIUMTYPE);
	CHECK_EQ(try_state(DO(socket(AF_UNIX, SOCK_STREAM, 0))), EMEDIUMTYPE);
	CHECK_EQ(try_state(rogue_open()), EMEDIUMTYPE);
	fd = memfd_create("huge", MFD_HUGETLB);
	if (fd >= 0)
		CHECK_EQ(try_state(fd), EMEDIUMTYPE);
	CHECK_EQ(try_state(999), EBADF);
	CHECK_EQ(try_state(0x7fffffff), EBADF);
	fd = DO(memfd_create("state", 0));
	CHECK_EQ(try_state(DO(open("/proc/self/fd", O_PATH))), EBADF);
	CHECK_EQ(try_state(fd), 0);
	CHECK_EQ(try_state(-1), 0);
}

static void state_is_kept(void)
{
	struct ferry_setup setup = reissuing(30);
	struct stat st, again;
	struct rogue r;
	char buf[32];
	int i;

	setup.state_fd = DO(memfd_create("state", MFD_CLOEXEC));
	pwrite_all(setup.state_fd, "generation 0", 13, 0);
	DO(fstat(setup.state_fd, &st));
	r = rogue_start_as(setup, SYNC, NULL);
	DO(close(setup.state_fd));
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	rogue_kill(&r);
	for (i = 0; i < 3; i++) {
		struct ferry_setup next = rogue_succession(r.id);
		char should[32];
		int fd = rogue_open(), other = rogue_open();

		DO(ioctl(fd, FERRY_IOC_ATTACH, &next));
		CHECK(next.state_fd >= 0);
		CHECK_EQ(DO(fcntl(next.state_fd, F_GETFD)), FD_CLOEXEC);
		DO(fstat(next.state_fd, &again));
		CHECK(st.st_ino == again.st_ino && st.st_dev == again.st_dev);
		snprintf(should, sizeof(should), "generation %d", i);
		CHECK_EQ(pread_all(next.state_fd, buf, sizeof(buf), 0), 13);
		CHECK(!strcmp(buf, should));
		snprintf(buf, sizeof(buf), "generation %d", i + 1);
		pwrite_all(next.state_fd, buf, 13, 0);
		DO(close(next.state_fd));
		/* An ATTACH that fails leaves no descriptor behind. */
		CHECK_ERR(attach(other, r.id, 0), EBUSY);
		CHECK_ERR(fcntl(next.state_fd, F_GETFD), EBADF);
		DO(close(other));
		DO(close(fd));
	}
	rogue_next(&r, NULL);
	rogue_end(&r);
}

#define NR_SLOTS	8

static char *map_queue(int fd, const struct ferry_geometry *geo)
{
	char *map = mmap(NULL, geo->queue_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(map != MAP_FAILED);
	return map;
}

static struct ferry_desc *desc_in(char *map, const struct ferry_geometry *geo, unsigned int i)
{
	return (struct ferry_desc *)(map + geo->desc_off) + i;
}

/* The first server writes notes and marks at INIT, each one looks at all of them always. */
static bool look_at_notes(struct rogue *r, const struct request *req)
{
	char *notes = r->map + r->geo.note_off;
	bool *written = r->page;
	unsigned int i;

	CHECK_EQ(r->geo.depth, NR_SLOTS);
	for (i = 0; i < NR_SLOTS && !*written; i++) {
		CHECK_EQ(rogue_desc(r, i)->mark, 0);
		rogue_desc(r, i)->mark = 0x1234567800000000ULL + i;
	}
	for (i = 0; i < FERRY_NOTE_SIZE && !*written; i++)
		CHECK_EQ(notes[i], 0);
	if (!*written)
		fill_pattern(notes, FERRY_NOTE_SIZE, 0, 3);
	*written = true;
	for (i = 0; i < NR_SLOTS; i++)
		CHECK_EQ(rogue_desc(r, i)->mark, 0x1234567800000000ULL + i);
	CHECK_EQ(find_difference(notes, FERRY_NOTE_SIZE, 0, 3), -1);
	return false;
}

static void notes_are_kept(void)
{
	struct rogue r = rogue_start_as(reissuing(30), SYNC, look_at_notes);
	unsigned int i, j;
	pid_t pids[12];

	for (i = 0; i < 10; i++) {
		for (j = 0; j < COUNT(pids); j++)
			pids[j] = rogue_client(j % 2 ? op_read_file : op_list);
		for (j = 0; j < COUNT(pids); j++)
			CHECK_EQ(WEXITSTATUS(rogue_status(pids[j], 10, "client")), 0);
		rogue_kill(&r);
		rogue_next(&r, look_at_notes);
	}
	CHECK_EQ(rogue_try(op_stat_file, 5), 0);
	rogue_end(&r);
}

/* All of it, but for what the kernel has written already: its numbers in descriptors and box. */
static void map_is_zero(const char *map, const struct ferry_geometry *geo)
{
	unsigned int i;

	for (i = 0; i < geo->queue_size; i++) {
		bool in_desc = i >= geo->desc_off &&
			       i < geo->desc_off + geo->depth * sizeof(struct ferry_desc);
		bool in_box = i >= geo->box_off && i < geo->box_off + sizeof(struct ferry_box);

		if (map[i] && !in_desc && !in_box)
			claim_fail(__FILE__, __LINE__, "byte %u of a new queue is %#x", i,
				   (unsigned char)map[i]);
	}
}

static void fresh_is_zero(void)
{
	struct ferry_setup setup = reissuing(30);
	int fd = rogue_open();
	unsigned int i;
	char *map;

	DO(ioctl(fd, FERRY_IOC_CREATE, &setup));
	map = map_queue(fd, &setup.geo);
	CHECK(setup.geo.note_off % 8 == 0);
	CHECK(setup.geo.note_off >= setup.geo.desc_off + NR_SLOTS * sizeof(struct ferry_desc));
	CHECK(setup.geo.note_off + FERRY_NOTE_SIZE <= setup.geo.slot_off);
	for (i = 0; i < FERRY_NOTE_SIZE; i++)
		CHECK_EQ(map[setup.geo.note_off + i], 0);
	for (i = 0; i < NR_SLOTS; i++)
		CHECK_EQ(desc_in(map, &setup.geo, i)->mark, 0);
	map_is_zero(map, &setup.geo);
}

static const struct claim claims[] = {
	{ "ATTACH by number: a channel with a server is EBUSY", live_is_busy },
	{ "ATTACH by number: a channel without client is EBUSY, then gone", waiting_is_busy },
	{ "ATTACH by number: an unknown number is ENOENT", unknown_is_enoent },
	{ "ATTACH by number: a queue that is not there is EINVAL", queue_is_checked },
	{ "ATTACH by number: another user's channel is ENOENT", of_others },
	{ "ATTACH by number: who made the channel may, and then root not", of_its_owner },
	{ "what is saved is taken when it is asked for, and timeout= does not hurry it", saving },
	{ "ATTACH by number: of several at a time one wins", one_wins },
	{ "ATTACH by number: 20 in a row die of it, and another serves", vain },
	{ "ATTACH by number: 16 in a row that die of it are the end, on_death=kernel",
	  vain_for_kernel },
	{ "ATTACH by number: other threads attach by the first one's file", many_queues },
	{ "ATTACH by number: tells the channel's shape and policy", told_to_the_next },
	{ "ATTACH by number: an aborted channel is ENOTCONN", aborted },
	{ "CREATE: on_death, grace and timeout out of range are EINVAL", out_of_range },
	{ "CREATE: what is no file in memory is no state", state_of_a_kind },
	{ "the state file goes from server to server", state_is_kept },
	{ "notes and marks go from server to server, untouched", notes_are_kept },
	{ "notes, marks and slots of a new channel are zero", fresh_is_zero },
};
CLAIMS_MAIN(claims)
