// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Programs that use a mount or a disk, and do not mind what they get. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fuzz.h"

#define BUF	(1 << 20)

static uint64_t rng;
static char *buf;
static sigjmp_buf fault;

/* A mapped page that its server does not give is SIGBUS. */
static void on_fault(int signal)
{
	siglongjmp(fault, 1);
}

static void begin(struct round *r, unsigned int process)
{
	struct sigaction act = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rng = (r->number + 1) * 0x9e3779b97f4a7c15ull + 0x1000 + process;
	buf = xmalloc(BUF + 4096);
	sigaction(SIGBUS, &act, NULL);
	sigaction(SIGSEGV, &act, NULL);
}

static const char *path(char *p)
{
	static const char *const dirs[] = { "mnt", "mnt", "mnt/b", "mnt/f/a" };

	snprintf(p, 64, "%s/%c%u", dirs[below(&rng, COUNT(dirs))], 'a' + (int)below(&rng, 26),
		 below(&rng, 4));
	return p;
}

/* Aligned, or not. */
static size_t some_len(void)
{
	size_t len = below(&rng, 8) ? below(&rng, 65536) : below(&rng, BUF);

	return one_in(&rng, 2) ? len & ~4095ul : len;
}

static off_t some_place(void)
{
	off_t at = below(&rng, 8) ? below(&rng, 200000) : (off_t)(odd64(&rng) & INT64_MAX);

	return one_in(&rng, 2) ? at & ~4095l : at;
}

static void touch_map(int fd)
{
	size_t len = 4096 * (1 + below(&rng, 16)), i;
	volatile char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, one_in(&rng, 2) ? MAP_SHARED :
				MAP_PRIVATE, fd, one_in(&rng, 2) ? 0 : 8192);

	if (p == MAP_FAILED)
		return;
	if (!sigsetjmp(fault, 1)) {
		for (i = 0; i < len; i += 4096)
			p[i] += one_in(&rng, 2) ? 1 : 0;
		if (one_in(&rng, 2))
			msync((void *)p, len, MS_SYNC);
	}
	munmap((void *)p, len);
}

/* The results are nobody's business. */
#define TRY(call) do { if ((long)(call) < 0) errno = 0; } while (0)

static void use_file(int fd)
{
	struct flock lock = { .l_type = below(&rng, 3), .l_len = below(&rng, 100) };
	struct stat st;
	unsigned int i;

	for (i = below(&rng, 6); i; i--) {
		switch (below(&rng, 14)) {
		case 0 ... 2:
			TRY(pread(fd, buf, some_len(), some_place()));
			break;
		case 3 ... 5:
			TRY(pwrite(fd, buf, some_len(), some_place()));
			break;
		case 6:
			TRY(ftruncate(fd, below(&rng, 100000)));
			break;
		case 7:
			TRY(one_in(&rng, 2) ? fsync(fd) : fdatasync(fd));
			break;
		case 8:
			touch_map(fd);
			break;
		case 9:
			TRY(lseek(fd, below(&rng, 100000),
				  one_in(&rng, 2) ? SEEK_HOLE : SEEK_DATA));
			break;
		case 10:
			TRY(fallocate(fd, below(&rng, 4), some_place(), some_len() + 1));
			break;
		case 11:
			TRY(fcntl(fd, one_in(&rng, 2) ? F_SETLK : F_GETLK, &lock));
			break;
		case 12:
			TRY(posix_fadvise(fd, 0, 0, below(&rng, 6)));
			TRY(readahead(fd, 0, 1 << 20));
			break;
		default:
			TRY(fstat(fd, &st));
			TRY(flock(fd, LOCK_NB | (one_in(&rng, 2) ? LOCK_EX : LOCK_UN)));
		}
	}
}

static void use_dir(const char *name)
{
	DIR *dir = opendir(name);
	int i;

	if (!dir)
		return;
	for (i = 0; i < 100 && readdir(dir); i++)
		if (one_in(&rng, 50))
			seekdir(dir, odd64(&rng));
	closedir(dir);
}

static void use_once(void)
{
	static const int flags[] = {
		0, 0, O_DIRECT, O_TRUNC, O_APPEND, O_CREAT, O_CREAT | O_EXCL, O_SYNC,
	};
	char a[64], b[64];
	struct statfs statfs_buf;
	struct stat st;
	int fd;

	switch (below(&rng, 24)) {
	case 0 ... 7:
		fd = open(path(a), O_RDWR | flags[below(&rng, COUNT(flags))], 0644);
		if (fd < 0)
			break;
		use_file(fd);
		close(fd);
		break;
	case 8:
		TRY(stat(path(a), &st));
		break;
	case 9:
		TRY(lstat(path(a), &st));
		TRY(readlink(a, buf, 4096));
		break;
	case 10:
		use_dir("mnt");
		break;
	case 11:
		use_dir(path(a));
		break;
	case 12:
		TRY(mkdir(path(a), 0755));
		break;
	case 13:
		TRY(one_in(&rng, 2) ? unlink(path(a)) : rmdir(path(a)));
		break;
	case 14:
		TRY(syscall(SYS_renameat2, AT_FDCWD, path(a), AT_FDCWD, path(b), below(&rng, 3)));
		break;
	case 15:
		TRY(link(path(a), path(b)));
		break;
	case 16:
		TRY(symlink("target", path(a)));
		break;
	case 17:
		TRY(mknod(path(a), one_in(&rng, 2) ? S_IFREG | 0600 : S_IFIFO | 0600, 0));
		break;
	case 18:
		TRY(setxattr(path(a), "user.x", buf, below(&rng, 70000), below(&rng, 3)));
		break;
	case 19:
		TRY(getxattr(path(a), "user.x", buf, one_in(&rng, 2) ? 0 : below(&rng, 65536)));
		TRY(listxattr(a, buf, one_in(&rng, 2) ? 0 : below(&rng, 65536)));
		break;
	case 20:
		TRY(statfs("mnt", &statfs_buf));
		break;
	case 21:
		TRY(one_in(&rng, 2) ? chmod(path(a), 0600) : chown(path(a), 1, 1));
		break;
	case 22:
		TRY(truncate(path(a), below(&rng, 100000)));
		break;
	default:
		TRY(utimensat(AT_FDCWD, path(a), NULL, 0));
	}
}

void use_fs(struct round *r, unsigned int process)
{
	begin(r, process);
	while (!r->stop)
		use_once();
	_exit(0);
}

static void use_device(int fd, int index)
{
	uint64_t range[2] = { below(&rng, 200) * 4096ul, below(&rng, 200) * 4096ul };
	struct ferry_blk_set_size size = { .index = index };
	unsigned int i;

	for (i = below(&rng, 20); i; i--) {
		off_t at = (off_t)below(&rng, 1 << 12) * 4096;
		size_t len = 4096 * (1 + below(&rng, 256));
		int control;

		switch (below(&rng, 16)) {
		case 0 ... 4:
			TRY(pread(fd, buf, len, at));
			break;
		case 5 ... 9:
			TRY(pwrite(fd, buf, len, at));
			break;
		case 10:
			TRY(fsync(fd));
			break;
		case 11:
			TRY(ioctl(fd, BLKDISCARD, range));
			break;
		case 12:
			TRY(ioctl(fd, BLKZEROOUT, range));
			break;
		case 13:
			TRY(ioctl(fd, BLKRRPART));
			break;
		case 14:
			control = open("/dev/ferryblk", O_RDWR | O_CLOEXEC);
			TRY(ioctl(control, FERRY_BLK_IOC_RESIZE, &size));
			close(control);
			break;
		default:
			touch_map(fd);
		}
	}
}

void use_disk(struct round *r, unsigned int process)
{
	char name[64];
	int fd;

	begin(r, process);
	while (!r->stop) {
		if (r->disk < 0) {
			usleep(1000);
			continue;
		}
		snprintf(name, sizeof(name), "/dev/ferryb%d", r->disk);
		fd = open(name, O_RDWR | O_CLOEXEC | (one_in(&rng, 2) ? O_DIRECT : 0));
		if (fd < 0) {
			usleep(1000);
			continue;
		}
		use_device(fd, r->disk);
		close(fd);
	}
	_exit(0);
}
