// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The state file: made, mapped, found again. */
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include "state.h"

#define STATE_MAGIC	0x6574617473726566ULL
#define STATE_LAYOUT	1	/* of all that state*.c keep in it */

bool ferry_state_kept;

static int file = -1;	/* the mapped one, by a descriptor of our own; -1: none was left */

struct build {
	const void *in;
	u8 *id;
	bool found;
};

/* Look for the build id of the object that holds build->in. */
static int find_build(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct build *build = arg;
	const uintptr_t in = (uintptr_t)build->in;
	bool ours = false;
	int i;

	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		ours |= ph->p_type == PT_LOAD && in - (info->dlpi_addr + ph->p_vaddr) < ph->p_memsz;
	}
	for (i = 0; ours && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const char *p = (const char *)(info->dlpi_addr + ph->p_vaddr);
		const char *end = p + ph->p_memsz;

		while (ph->p_type == PT_NOTE && end - p > (ptrdiff_t)sizeof(ElfW(Nhdr))) {
			const ElfW(Nhdr) *note = (const void *)p;
			const char *name = p + sizeof(*note);
			const char *desc = name + (note->n_namesz + 3) / 4 * 4;

			if (note->n_type == NT_GNU_BUILD_ID && !strcmp(name, "GNU")) {
				memcpy(build->id, desc, min(note->n_descsz, 20U));
				build->found = true;
			}
			p = desc + (note->n_descsz + 3) / 4 * 4;
		}
	}
	return ours;
}

static int build_id(const struct ferry_backend *backend, u8 *id)
{
	struct build build = { .in = backend, .id = id };

	dl_iterate_phdr(find_build, &build);
	if (build.found)
		return 0;
	ferry_log(FERRY_LOG_ERR,
		  "%s: has no build id, which tells whose state is whose: link it with -Wl,--build-id",
		  backend->name);
	return -EINVAL;
}

static void close_file(void)
{
	if (file >= 0)
		close(file);
	file = -1;
}

static int map(const struct ferry_backend *backend, int fd)
{
	void *p;
	int err;

	if (ferry_state_kept) {
		ferry_log(FERRY_LOG_ERR, "%s: there is one recovering server in this process already",
			  backend->name);
		return -EBUSY;
	}
	p = mmap((void *)STATE_BASE, STATE_SIZE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, 0);
	if (p == (void *)STATE_BASE) {
		madvise(p, STATE_SIZE, MADV_DONTDUMP);
		file = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		/* Those from there on are the state's. */
		if (file >= FERRY_KEPT_FD)
			close_file();
		return 0;
	}
	err = p == MAP_FAILED ? -errno : -EEXIST;
	if (p != MAP_FAILED)
		munmap(p, STATE_SIZE);
	ferry_log(FERRY_LOG_ERR, "%s: no room for its state, %llu GiB at %#llx: %s%s", backend->name,
		  STATE_SIZE >> 30, STATE_BASE, strerror(-err),
		  err == -ENOMEM ? ": see 'ulimit -v'" : "");
	return err;
}

static void unmap(void)
{
	munmap(the_state, STATE_SIZE);
	close_file();
}

/* Not by madvise(): that takes nothing of locked memory, as a disk's server has it. */
int state_give_back(void *p, u64 len)
{
	return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (char *)p - (char *)the_state, len) ? -errno : 0;
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23	/* 5.14 */
#endif

#define WARM_PAGES	2048ULL		/* what a memfs of 20,000 small files needs */
#define COOL_STEP	64

static void *state_page(u64 nr)
{
	return (char *)STATE_BASE + STATE_PAGES_OFF + nr * FERRY_PAGE_SIZE;
}

void ferry_state_warm(void)
{
	/* Where it fails they are made one by one, when they are used. */
	if (madvise(state_page(0), WARM_PAGES * FERRY_PAGE_SIZE, MADV_POPULATE_WRITE))
		ferry_log(FERRY_LOG_DEBUG, "no memory made ready: %s", strerror(errno));
}

/* From the end, in pieces, between requests: the next pages may be taken meanwhile. */
void ferry_state_cool(void)
{
	u64 end = WARM_PAGES, from;

	do {
		ferry_tx_enter(FERRY_CHANGE_ALL, STATE_NO_TAG, the_state->mark + 1);
		from = max(end - COOL_STEP, the_state->nr_pages);
		if (from < end)
			state_give_back(state_page(from), (end - from) * FERRY_PAGE_SIZE);
		ferry_tx_leave(NULL);
		end -= COOL_STEP;
	} while (end && from == end);
}

static void begin(void)
{
	ferry_state_kept = true;
	state_heap_init();
	state_fd_init();
	ferry_tx_enter(FERRY_CHANGE_ALL, STATE_NO_TAG, the_state->mark + 1);
}

int ferry_state_create(const struct ferry_backend *backend, int *fd)
{
	struct state_head head = { .magic = STATE_MAGIC, .layout = STATE_LAYOUT };
	int err;

	err = build_id(backend, head.build);
	if (err)
		return err;
	*fd = memfd_create("ferry-state", MFD_CLOEXEC);
	if (*fd < 0 || ftruncate(*fd, STATE_SIZE)) {
		err = -errno;
		ferry_log(FERRY_LOG_ERR, "%s: no memory file of %llu GiB for its state: %s%s",
			  backend->name, STATE_SIZE >> 30, strerror(-err),
			  err == -EFBIG ? ": see 'ulimit -f'" : "");
		goto close_fd;
	}
	err = map(backend, *fd);
	if (err)
		goto close_fd;
	*the_state = head;
	begin();
	state_tx_is_new();
	return 0;
close_fd:
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return err;
}

int ferry_state_attach(const struct ferry_backend *backend, int fd,
		       u64 (*mark)(void *arg, u32 tag), void *arg)
{
	u8 id[sizeof(the_state->build)] = { 0 };
	struct stat st;
	int err;

	err = build_id(backend, id);
	if (err)
		return err;
	if (fstat(fd, &st) || (u64)st.st_size != STATE_SIZE) {
		ferry_log(FERRY_LOG_ERR, "%s: the state that the last server left is no such file",
			  backend->name);
		return -EINVAL;
	}
	err = map(backend, fd);
	if (err)
		return err;
	if (the_state->magic != STATE_MAGIC || the_state->layout != STATE_LAYOUT ||
	    memcmp(the_state->build, id, sizeof(id))) {
		ferry_log(FERRY_LOG_ERR,
			  "%s: the last server was another build: start that one, or use 'ferry upgrade'",
			  backend->name);
		unmap();
		return -EINVAL;
	}
	state_tx_recover(mark, arg);
	begin();
	return 0;
}

bool ferry_state_ready(void)
{
	ferry_tx_leave(NULL);
	if (the_state->root)
		return true;
	ferry_state_close();
	return false;
}

void ferry_state_close(void)
{
	if (!ferry_state_kept)
		return;
	state_tx_cancel();
	ferry_state_kept = false;
	unmap();
}

void *ferry_state_root(void)
{
	return ferry_state_kept ? the_state->root : NULL;
}

void ferry_state_set_root(void *root)
{
	if (!ferry_state_kept)
		return;
	ferry_tx_add(&the_state->root, sizeof(the_state->root));
	the_state->root = root;
}

void *ferry_state_alloc(size_t size)
{
	return ferry_state_kept ? state_heap_alloc(size) : ferry_alloc(size);
}

void ferry_state_free(void *p)
{
	if (!ferry_state_kept)
		ferry_free(p);
	else if (p)
		state_tx_note(p, NOTE_FREE);
}

void *ferry_state_page_alloc(void)
{
	return ferry_state_kept ? state_heap_page(true) : ferry_page_alloc();
}

void *ferry_state_page_alloc_raw(void)
{
	return ferry_state_kept ? state_heap_page(false) : ferry_page_alloc_raw();
}

void ferry_state_page_free(void *page)
{
	if (!ferry_state_kept)
		ferry_page_free(page);
	else if (page)
		state_tx_note(page, NOTE_FREE);
}
