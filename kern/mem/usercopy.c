#include "kern/mem/usercopy.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "lib/string.h"

static bool
user_range(uint64_t va, uint64_t size)
{
	return va < USER_END && size <= USER_END - va;
}

int
user_touch(struct aspace *as, uint64_t va, uint64_t size, int access)
{
	uint64_t end = va + size;
	int err = user_range(va, size) ? 0 : -E_FAULT;

	for (; !err && va < end; va = ROUND_DOWN(va, PAGE_SIZE) + PAGE_SIZE)
		err = aspace_fault(as, va, access);
	return err;
}

/* Copies frame by frame, to user memory for ACCESS_WRITE and else from it. */
static int
copy_user(struct aspace *as, uint64_t va, char *buf, uint64_t size, int access)
{
	if (!user_range(va, size))
		return -E_FAULT;
	while (size) {
		struct frame f;
		uint64_t offset, n;
		int err = aspace_frame(as, va, access, &f);

		if (err)
			return err;
		offset = va & (f.size - 1);
		n = f.size - offset < size ? f.size - offset : size;
		if (access == ACCESS_WRITE)
			memcpy((char *)kva(f.pa) + offset, buf, n);
		else
			memcpy(buf, (char *)kva(f.pa) + offset, n);
		va += n;
		buf += n;
		size -= n;
	}
	return 0;
}

int
copy_in(struct aspace *as, void *dst, uint64_t src_va, uint64_t size)
{
	return copy_user(as, src_va, dst, size, ACCESS_READ);
}

int
copy_out(struct aspace *as, uint64_t dst_va, const void *src, uint64_t size)
{
	return copy_user(as, dst_va, (char *)src, size, ACCESS_WRITE);
}

int
copy_in_string(struct aspace *as, char *dst, uint64_t src_va, uint64_t size)
{
	uint64_t done = 0;

	while (done < size) {
		uint64_t room = PAGE_SIZE - (src_va & (PAGE_SIZE - 1));
		uint64_t n = size - done < room ? size - done : room;
		int err = copy_in(as, dst + done, src_va, n);

		if (err)
			return err;
		if (strnlen(dst + done, n) < n)
			return 0;
		done += n;
		src_va += n;
	}
	return -E_INVAL;
}
