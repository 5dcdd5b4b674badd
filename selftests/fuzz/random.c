// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "fuzz.h"

uint32_t below(uint64_t *rng, uint32_t n)
{
	return n ? next_random(rng) % n : 0;
}

bool one_in(uint64_t *rng, uint32_t n)
{
	return below(rng, n) == 0;
}

uint32_t odd32(uint64_t *rng)
{
	static const uint32_t odd[] = {
		0, 1, 2, 7, 8, 511, 512, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, 1 << 22,
		0xffffff, 0x1000000, 0x7fffffff, 0x80000000, 0xfffff000, 0xfffffffe, 0xffffffff,
		-5U, -38U, -512U, -513U, -4095U,
	};

	switch (below(rng, 4)) {
	case 0:
		return next_random(rng);
	case 1:
		return 1U << below(rng, 32);
	case 2:
		return below(rng, 64);
	default:
		return odd[below(rng, COUNT(odd))];
	}
}

uint64_t odd64(uint64_t *rng)
{
	switch (below(rng, 4)) {
	case 0:
		return (uint64_t)odd32(rng) << 32 | odd32(rng);
	case 1:
		return (uint64_t)(int32_t)odd32(rng);
	case 2:
		return (1ull << 63) - below(rng, 8192);
	default:
		return odd32(rng);
	}
}

void mangle(uint64_t *rng, void *p, size_t len, unsigned int times)
{
	unsigned char *bytes = p;

	for (times = 1 + below(rng, times); times && len; times--) {
		size_t at = below(rng, len);
		uint32_t word = odd32(rng);
		uint64_t wide = odd64(rng);

		switch (below(rng, 4)) {
		case 0:
			bytes[at] ^= 1 << below(rng, 8);
			break;
		case 1:
			bytes[at] = word;
			break;
		case 2:
			at &= ~3ul;
			memcpy(bytes + at, &word, len - at < 4 ? len - at : 4);
			break;
		default:
			at &= ~7ul;
			memcpy(bytes + at, &wide, len - at < 8 ? len - at : 8);
		}
	}
}
