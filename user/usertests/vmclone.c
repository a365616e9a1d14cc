#include "user/usertests/vmtest.h"

/* Clones of VMs: what they share, what is theirs, and what making one costs. */

enum {
	COUNTER = 0x2000,
	DEVICE = 0x20000,
	BIG_RAM = 64 << 20,
	BIG_PAGES = BIG_RAM / PAGE_SIZE,
	TRIES = 3
};

static volatile uint32_t *
counter(void)
{
	return (uint32_t *)(RAM + COUNTER);
}

static void
run_to_port(uint32_t vm)
{
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK_RESULT(RUN->exit, VM_EXIT_IO);
	CHECK_RESULT(RUN->io.port, PORT);
}

static uint64_t
exits_of(uint32_t vm)
{
	struct vm_stats stats;

	CHECK_RESULT(sys_vm_stats(vm, VM_ALL_VCPUS, &stats), 0);
	return stats.total;
}

/* The child: its guest stands where the other's stood, and goes on by itself. */
static void
check_clone(uint32_t clone, const struct vm_regs *before)
{
	struct vm_regs regs;

	CHECK_RESULT(exits_of(clone), 0);
	CHECK_RESULT(sys_vcpu_get_regs(clone, 0, &regs), 0);
	CHECK(!memcmp(&regs, before, sizeof regs));
	CHECK(RUN->exit == VM_EXIT_IO && RUN->io.port == PORT);
	CHECK_RESULT(*counter(), 3);
	for (int i = 0; i < 5; i++)
		run_to_port(clone);
	CHECK_RESULT(*counter(), 8);
	CHECK(exits_of(clone) >= 5);
}

void
test_vm_clone(void)
{
	/* again: incl [0x2000]; out PORT, al; jmp again */
	static const uint8_t code[] = {0x66, 0xff, 0x06, 0x00, 0x20, 0xe6, PORT, 0xeb, 0xf7};
	struct vm_regs regs;
	uint32_t vm, clone = 0;
	long child;

	if (!have_vms())
		return;
	CHECK_RESULT(sys_vm_clone(1234, &clone, false), -E_BAD_VM);
	vm = new_guest(code, sizeof code);
	CHECK_RESULT(sys_vm_clone(vm, (void *)KERNBASE, false), -E_FAULT);
	for (int i = 0; i < 3; i++)
		run_to_port(vm);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	child = sys_vm_clone(vm, &clone, false);
	CHECK(child >= 0 && clone > vm);
	if (child == 0) {
		check_clone(clone, &regs);
		exit(0);
	}
	for (int i = 0; i < 7; i++)
		run_to_port(vm);
	CHECK_RESULT(sys_env_wait(child), 0);
	CHECK_RESULT(*counter(), 10);
	run_to_port(vm);
	CHECK_RESULT(*counter(), 11);
}

/* Who kicks a vCPU may not know that there will be two. */
void
test_vm_clone_kick(void)
{
	/* again: out PORT, al; jmp again */
	static const uint8_t code[] = {0xe6, PORT, 0xeb, 0xfc};
	uint32_t vm, clone;
	long child;

	if (!have_vms())
		return;
	vm = new_guest(code, sizeof code);
	run_to_port(vm);
	CHECK_RESULT(sys_vcpu_kick(vm, 0), 0);
	child = sys_vm_clone(vm, &clone, false);
	CHECK(child >= 0);
	CHECK_RESULT(sys_vcpu_run(child ? vm : clone, 0), 0);
	CHECK_RESULT(RUN->exit, VM_EXIT_EVENT);
	run_to_port(child ? vm : clone);
	if (child == 0)
		exit(0);
	CHECK_RESULT(sys_env_wait(child), 0);
}

/* What was read from device memory goes to both guests, and what they make of it back there. */
static void
finish_access(uint32_t vm, uint32_t value)
{
	RUN->mmio.value = value;
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK_RESULT(RUN->exit, VM_EXIT_MMIO);
	CHECK(RUN->mmio.write && RUN->mmio.gpa == DEVICE && RUN->mmio.value == value + 1);
	run_to_port(vm);
}

/* A copy that is made in the middle of an instruction's accesses to device memory. */
void
test_vm_clone_mmio(void)
{
	/* mov $DEVICE >> 4, %ax; mov %ax, %ds; again: incl (0); out %al, PORT; jmp again */
	static const uint8_t code[] = {0xb8,         DEVICE >> 4 & 0xff,
	                               DEVICE >> 12, 0x8e,
	                               0xd8,         0x66,
	                               0xff,         0x06,
	                               0x00,         0x00,
	                               0xe6,         PORT,
	                               0xeb,         0xf7};
	uint32_t vm, clone;
	long child;

	if (!have_vms())
		return;
	vm = new_guest(code, sizeof code);
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK_RESULT(RUN->exit, VM_EXIT_MMIO);
	CHECK(!RUN->mmio.write && RUN->mmio.gpa == DEVICE);
	child = sys_vm_clone(vm, &clone, false);
	CHECK(child >= 0);
	if (child == 0) {
		finish_access(clone, 41);
		exit(0);
	}
	finish_access(vm, 7);
	CHECK_RESULT(sys_env_wait(child), 0);
}

/* Both guests' TSCs go on from where the one stood. */
void
test_vm_clone_tsc(void)
{
	/* again: rdtsc; mov [0x2000], eax; mov [0x2004], edx; out PORT, al; jmp again */
	static const uint8_t code[] = {0x0f, 0x31, 0x66, 0xa3, 0x00, 0x20, 0x66, 0x89,
	                               0x16, 0x04, 0x20, 0xe6, PORT, 0xeb, 0xf1};
	volatile uint64_t *tsc = (uint64_t *)(RAM + COUNTER);
	uint64_t before, host, gone;
	uint32_t vm, clone;
	long child;

	if (!have_vms())
		return;
	vm = new_guest(code, sizeof code);
	host = rdtsc();
	run_to_port(vm);
	before = *tsc;
	child = sys_vm_clone(vm, &clone, false);
	run_to_port(child ? vm : clone);
	gone = rdtsc() - host;
	CHECK(*tsc > before && *tsc - before < gone);
	if (child == 0)
		exit(0);
	CHECK_RESULT(sys_env_wait(child), 0);
}

/* A guest that writes to each page of 64 MiB, from COUNTER's on, and then to PORT. */
static uint32_t
new_big_guest(void)
{
	/* again: mov [edi], al; add edi, 0x1000; cmp edi, 64 MiB; jb again; out PORT, al */
	static const uint8_t code[] = {0x67, 0x88, 0x07, 0x66, 0x81, 0xc7, 0x00, 0x10,
	                               0x00, 0x00, 0x66, 0x81, 0xff, 0x00, 0x00, 0x00,
	                               0x04, 0x72, 0xed, 0xe6, PORT, 0xf4};
	struct vm_config config = {.name = "big", .ram = BIG_RAM, .leaves = 2};
	struct vm_regs regs;
	long vm = sys_vm_create(&config);

	CHECK(vm > 0);
	CHECK_RESULT(sys_mem_map(RAM, BIG_RAM), 0);
	memcpy(RAM + CODE, code, sizeof code);
	CHECK_RESULT(sys_vm_map(vm, 0, RAM, BIG_RAM), 0);
	CHECK_RESULT(sys_vcpu_create(vm, RUN), 0);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	regs.seg[SEG_CS].sel = 0;
	regs.seg[SEG_CS].base = 0;
	regs.seg[SEG_DS].limit = UINT32_MAX;
	regs.seg[SEG_DS].ar |= SEG_AR_G;
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
	RUN->deadline = UINT64_MAX;
	return vm;
}

static void
touch_all(uint32_t vm)
{
	struct vm_regs regs;

	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	regs.rip = CODE;
	regs.gpr[REG_RDI] = COUNTER;
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
	do
		CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	while (RUN->exit == VM_EXIT_EVENT);
	CHECK(RUN->exit == VM_EXIT_IO && RUN->io.port == PORT);
}

/* Ticks of a clone that ends at once: the least of some tries, for the CPU may be another's. */
static uint64_t
clone_ticks(uint32_t vm)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		uint64_t start = rdtsc(), ticks;
		uint32_t clone;
		long child = sys_vm_clone(vm, &clone, false);

		ticks = rdtsc() - start;
		CHECK(child >= 0);
		if (child == 0)
			exit(0);
		CHECK_RESULT(sys_env_wait(child), 0);
		if (ticks < least)
			least = ticks;
	}
	return least;
}

/* All pages become 4 KiB ones: the guest writes to each while a clone shares it. */
static void
break_up(uint32_t vm)
{
	uint32_t clone;
	long child = sys_vm_clone(vm, &clone, false);

	CHECK(child >= 0);
	if (child == 0)
		for (;;)
			sys_env_sleep(1000 * 1000);
	touch_all(vm);
	CHECK_RESULT(sys_env_kill(child), 0);
	CHECK_RESULT(sys_env_wait(child), ENV_WAIT_KILLED);
}

/* tests/boot/test_clone.py checks the bound that docs/clones.md states, where ticks are
 * instructions. */
void
test_vm_clone_cost(void)
{
	uint64_t little, frames, pages;
	uint32_t vm;

	if (!have_vms())
		return;
	vm = new_big_guest();
	little = clone_ticks(vm);
	touch_all(vm);
	frames = clone_ticks(vm);
	break_up(vm);
	pages = clone_ticks(vm);
	printf("clone of 64 MiB: %lu ticks untouched, %lu in 2 MiB frames, %lu in %u pages: "
	       "%lu.%02lu a page\n",
	       little, frames, pages, BIG_PAGES, (pages - little) / BIG_PAGES,
	       (pages - little) * 100 / BIG_PAGES % 100);
}
