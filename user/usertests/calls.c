#include "user/usertests/tests.h"

#include "inc/memlayout.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/* What a hostile program may pass to system calls. */

void
test_bad_numbers(void)
{
	static const long numbers[] = {SYS_MAX, SYS_MAX + 1, 1 << 20, -1, INT64_MIN};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		CHECK_RESULT(syscall5(numbers[i], 0, 0, 0, 0, 0), -E_NO_SYS);
}

/* No program has memory there, and structures that begin there reach nothing of ours. */
static const uint64_t bad_addresses[] = {
        0,
        0x10,
        UTEXT - 8,
        UTEXT - PAGE_SIZE,
        ULIM - 8,
        ULIM,
        0x0000900000000000, /* not canonical */
        DIRECT_BASE,
        DIRECT_BASE + KERN_PHYS,
        CPU_BASE,
        MMIO_BASE,
        KERNBASE,
        KERNBASE + KERN_PHYS,
        UINT64_MAX - 8,
        UINT64_MAX,
};

/* The calls that take a pointer, with otherwise good arguments; BAD stands for the pointer. */
#define BAD (-7777)
static const struct pointer_call {
	const char *name;
	long nr, args[4];
} pointer_calls[] = {
        {"console_write", SYS_console_write, {BAD, 64}},
        {"console_write, much", SYS_console_write, {BAD, CONSOLE_IO_MAX}},
        {"env_info", SYS_env_info, {0, BAD}},
        {"spawn path", SYS_spawn, {BAD, 0, 0}},
        {"spawn argv", SYS_spawn, {(long)"echo", BAD, 2}},
        {"file_info", SYS_file_info, {0, BAD}},
        {"file_map path", SYS_file_map, {BAD, SCRATCH}},
        {"sys_info", SYS_sys_info, {BAD}},
        {"cmdline", SYS_cmdline, {BAD, 64}},
        {"hv_caps", SYS_hv_caps, {BAD}},
        {"ipc_recv", SYS_ipc_recv, {BAD, 0}},
        {"console_read", SYS_console_read, {BAD, 1, CONSOLE_POLL}},
};

void
test_bad_pointers(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(pointer_calls); i++) {
		const struct pointer_call *c = &pointer_calls[i];

		for (size_t j = 0; j < ARRAY_SIZE(bad_addresses); j++) {
			long a[4], result;

			for (size_t k = 0; k < ARRAY_SIZE(a); k++)
				a[k] = c->args[k] == BAD ? (long)bad_addresses[j] : c->args[k];
			result = syscall5(c->nr, a[0], a[1], a[2], a[3], 0);
			if (result == -E_FAULT || result == -E_INVAL)
				continue;
			printf("%s with %#lx: found %ld, expected %s\n", c->name, bad_addresses[j],
			       result, error_text(E_FAULT));
			exit(1);
		}
	}
}

void
test_readonly_pointers(void)
{
	static const struct sys_info constant = {.cpus = 77};
	volatile const struct sys_info *unchanged = &constant;
	unsigned char code[16];

	memcpy(code, (void *)UTEXT, sizeof code);
	CHECK_RESULT(sys_sys_info((struct sys_info *)UTEXT), -E_FAULT);
	CHECK_RESULT(sys_cmdline((char *)UTEXT, 16), -E_FAULT);
	CHECK_RESULT(sys_sys_info((struct sys_info *)&constant), -E_FAULT);
	CHECK(memcmp(code, (void *)UTEXT, sizeof code) == 0);
	CHECK(unchanged->cpus == 77);
}

void
test_bad_strings(void)
{
	static char longer[SPAWN_BYTES_MAX + 2];
	char *page = (char *)SCRATCH;
	char *argv[SPAWN_ARGS_MAX + 1] = {"echo", longer};

	memset(longer, 'x', sizeof longer - 1);
	CHECK(sys_spawn(longer, argv, 1) < 0);
	CHECK_RESULT(sys_spawn("echo", argv, 2), -E_INVAL);
	CHECK_RESULT(sys_spawn("echo", argv, SPAWN_ARGS_MAX + 1), -E_INVAL);
	CHECK_RESULT(sys_spawn("echo", argv, -1), -E_INVAL);
	CHECK_RESULT(sys_spawn("", argv, 1), -E_NOT_FOUND);
	CHECK(sys_file_map(longer, page) < 0);

	/* A name that runs off the end of its memory. */
	CHECK_RESULT(sys_mem_map(page, PAGE_SIZE), 0);
	memset(page, 'x', PAGE_SIZE);
	CHECK_RESULT(sys_file_map(page + PAGE_SIZE - 4, page + PAGE_SIZE), -E_FAULT);
	CHECK_RESULT(sys_console_write(page + PAGE_SIZE - 4, 8), -E_FAULT);
}

void
test_map_arguments(void)
{
	static const struct {
		uint64_t va, size;
	} bad[] = {
	        {SCRATCH + 8, PAGE_SIZE},
	        {SCRATCH, PAGE_SIZE - 1},
	        {SCRATCH, 0},
	        {ULIM - PAGE_SIZE, 2 * PAGE_SIZE},
	        {ULIM, PAGE_SIZE},
	        {0x0000900000000000, PAGE_SIZE},
	        {DIRECT_BASE, PAGE_SIZE},
	        {KERNBASE, PAGE_SIZE},
	        {UINT64_MAX - PAGE_SIZE + 1, PAGE_SIZE},
	        {UINT64_MAX - PAGE_SIZE + 1, 2 * PAGE_SIZE},
	        {SCRATCH, UINT64_MAX - PAGE_SIZE + 1},
	        {SCRATCH, -SCRATCH},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_RESULT(sys_mem_map((void *)bad[i].va, bad[i].size), -E_INVAL);
		CHECK_RESULT(sys_mem_unmap((void *)bad[i].va, bad[i].size), -E_INVAL);
	}
	CHECK_RESULT(sys_mem_map((void *)UTEXT, PAGE_SIZE), -E_EXISTS);
	CHECK_RESULT(sys_mem_map((void *)SCRATCH, 2 * PAGE_SIZE), 0);
	CHECK_RESULT(sys_mem_map((void *)(SCRATCH + PAGE_SIZE), 2 * PAGE_SIZE), -E_EXISTS);
	/* The refused call has mapped nothing. */
	CHECK_RESULT(sys_mem_map((void *)(SCRATCH + 2 * PAGE_SIZE), PAGE_SIZE), 0);
	CHECK_RESULT(sys_file_map("echo", (void *)SCRATCH), -E_EXISTS);
	CHECK_RESULT(sys_file_map("echo", (void *)(SCRATCH + 1)), -E_INVAL);
	CHECK_RESULT(sys_file_map("echo", (void *)KERNBASE), -E_INVAL);
}
