#include "user/usertests/vmtest.h"

/* The VM calls, as a careless or hostile monitor may use them.  Nothing to test where there are no
 * VMs. */

bool
have_vms(void)
{
	struct hv_caps caps;

	CHECK_RESULT(sys_hv_caps(&caps), 0);
	return caps.usable && caps.nested; /* the tests' guests begin in real mode */
}

uint32_t
new_vm(void)
{
	struct vm_config config = {.name = "usertests", .ram = RAM_SIZE, .leaves = 2};
	long vm = sys_vm_create(&config);

	CHECK(vm > 0);
	return vm;
}

void
keep_usual_accounts(void)
{
	if (!have_vms())
		return;
	for (unsigned int i = 0; i < VM_KEPT; i++) {
		uint32_t vm = new_vm();

		CHECK_RESULT(sys_vcpu_create(vm, (struct vm_run *)SCRATCH + i), 0);
		CHECK_RESULT(sys_vm_destroy(vm), 0);
	}
}

uint32_t
new_guest(const void *code, size_t size)
{
	uint32_t vm = new_vm();
	struct vm_regs regs;

	CHECK_RESULT(sys_mem_map((void *)UVM_RAM, RAM_SIZE), 0);
	memcpy((char *)UVM_RAM + CODE, code, size);
	CHECK_RESULT(sys_vm_map(vm, 0, (void *)UVM_RAM, RAM_SIZE), 0);
	CHECK_RESULT(sys_vcpu_create(vm, RUN), 0);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	regs.rip = CODE;
	regs.seg[SEG_CS].sel = 0;
	regs.seg[SEG_CS].base = 0;
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
	RUN->deadline = UINT64_MAX;
	return vm;
}

void
delete_guest(uint32_t vm)
{
	CHECK_RESULT(sys_vm_destroy(vm), 0);
	CHECK_RESULT(sys_mem_unmap(RAM, RAM_SIZE), 0);
	CHECK_RESULT(sys_mem_unmap(RUN, sizeof *RUN), 0);
}

int
run_to_out(uint32_t vm)
{
	RUN->deadline = rdtsc() + PATIENCE;
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK_RESULT(RUN->exit, VM_EXIT_IO);
	CHECK_RESULT(RUN->io.port, PORT);
	return RUN->data[0];
}

static void
check_vm_map(uint32_t vm)
{
	char *va = (char *)UVM_RAM;

	CHECK_RESULT(sys_mem_map(va, 4 * PAGE_SIZE), 0);
	CHECK_RESULT(sys_vm_map(vm, 1, va, PAGE_SIZE), -E_INVAL);
	CHECK_RESULT(sys_vm_map(vm, 0, va + 1, PAGE_SIZE), -E_INVAL);
	CHECK_RESULT(sys_vm_map(vm, 0, va, PAGE_SIZE + 1), -E_INVAL);
	CHECK_RESULT(sys_vm_map(vm, 0, va, 0), -E_INVAL);
	CHECK_RESULT(sys_vm_map(vm, VM_GPA_LIMIT, va, PAGE_SIZE), -E_INVAL);
	CHECK_RESULT(sys_vm_map(vm, VM_GPA_LIMIT - PAGE_SIZE, va, 2 * PAGE_SIZE), -E_INVAL);
	CHECK(sys_vm_map(vm, -(uint64_t)PAGE_SIZE, va, 2 * PAGE_SIZE) < 0);
	CHECK(sys_vm_map(vm, PAGE_SIZE, va, -(uint64_t)PAGE_SIZE) < 0);
	CHECK(sys_vm_map(vm, 0, (void *)KERNBASE, PAGE_SIZE) < 0);
	CHECK(sys_vm_map(vm, 0, (void *)(ULIM - PAGE_SIZE), 2 * PAGE_SIZE) < 0);
	CHECK_RESULT(sys_vm_map(vm + 1, 0, va, PAGE_SIZE), -E_BAD_VM);
	CHECK_RESULT(sys_vm_map(vm, 0, va, 2 * PAGE_SIZE), 0);
	CHECK(sys_vm_map(vm, PAGE_SIZE, va + 2 * PAGE_SIZE, PAGE_SIZE) < 0);
	for (unsigned int i = 1; i < VM_SLOTS_MAX; i++)
		CHECK_RESULT(sys_vm_map(vm, i << 20, va, PAGE_SIZE), 0);
	CHECK_RESULT(sys_vm_map(vm, VM_SLOTS_MAX << 20, va, PAGE_SIZE), -E_LIMIT);
}

static void
check_vcpu(uint32_t vm)
{
	struct vm_regs fresh, regs;

	CHECK(sys_vcpu_run(vm, 0) < 0);
	CHECK_RESULT(sys_vcpu_reset(vm, 0), -E_BAD_VM);
	CHECK(sys_vcpu_get_regs(vm, 0, &regs) < 0);
	CHECK(sys_vcpu_create(vm, (void *)KERNBASE) < 0);
	CHECK(sys_vcpu_create(vm, (void *)(URUN_BASE + 1)) < 0);
	CHECK(sys_vcpu_create(vm, (void *)UTEXT) < 0);
	CHECK_RESULT(sys_vcpu_create(vm, RUN), 0);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &fresh), 0);
	CHECK(sys_vcpu_create(vm, RUN + 1) < 0);
	CHECK(sys_vcpu_run(vm, 1) < 0);
	CHECK(sys_vcpu_run(vm + 1, 0) < 0);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, (void *)KERNBASE), -E_FAULT);
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, (void *)KERNBASE), -E_FAULT);
	/* Whatever the registers hold, only this vCPU may suffer. */
	memset(&regs, 0xff, sizeof regs);
	if (sys_vcpu_set_regs(vm, 0, &regs) == 0) {
		CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
		CHECK_RESULT(RUN->exit, VM_EXIT_STOP);
	}
	CHECK_RESULT(sys_vcpu_reset(vm, 1), -E_BAD_VM);
	CHECK_RESULT(sys_vcpu_reset(vm + 1, 0), -E_BAD_VM);
	CHECK_RESULT(sys_vcpu_reset(vm, 0), 0);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	CHECK(memcmp(&regs, &fresh, sizeof regs) == 0);
}

void
test_vm_arguments(void)
{
	struct vm_config config = {.name = "second", .leaves = 2};
	uint32_t vm;

	CHECK(sys_vm_create((void *)KERNBASE) < 0);
	CHECK(sys_vm_destroy(1234) < 0);
	CHECK(sys_vcpu_run(1234, 0) < 0);
	CHECK(sys_vm_stats(1234, VM_ALL_VCPUS, (void *)SCRATCH) < 0);
	if (!have_vms())
		return;
	vm = new_vm();
	CHECK_RESULT(sys_vm_create(&config), -E_EXISTS);
	CHECK_RESULT(sys_vm_info(0, (void *)KERNBASE), -E_FAULT);
	CHECK_RESULT(sys_vm_stats(vm, VM_ALL_VCPUS, (void *)KERNBASE), -E_FAULT);
	check_vm_map(vm);
	check_vcpu(vm);
	CHECK_RESULT(sys_vm_destroy(vm), 0);
	CHECK(sys_vcpu_run(vm, 0) < 0);
	CHECK(sys_vm_destroy(vm) < 0);
}

void
test_vm_memory(void)
{
	/* again: incw [0x2000]; out PORT, al; jmp again */
	static const uint8_t code[] = {0xff, 0x06, 0x00, 0x20, 0xe6, PORT, 0xeb, 0xf8};
	volatile uint16_t *counter = (uint16_t *)(UVM_RAM + 0x2000);
	uint32_t vm;

	if (!have_vms())
		return;
	vm = new_guest(code, sizeof code);
	for (int i = 1; i <= 3; i++) {
		CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
		CHECK_RESULT(RUN->exit, VM_EXIT_IO);
		CHECK(RUN->io.port == PORT && RUN->io.size == 1 && !RUN->io.in &&
		      RUN->io.count == 1);
		CHECK_RESULT(*counter, i);
	}
	/* Nonsense in the run page. */
	RUN->inject = VM_INJECT_VALID | 0xffff;
	RUN->irq_pending = 0xffffffff;
	RUN->deadline = 0;
	CHECK(sys_vcpu_run(vm, 0) <= 0);
	RUN->inject = 0;
	RUN->irq_pending = 0;
	RUN->deadline = UINT64_MAX;

	/* The guest's memory goes away under it. */
	CHECK_RESULT(sys_mem_unmap((void *)UVM_RAM, RAM_SIZE), 0);
	do /* the deadline that passed comes first */
		CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	while (RUN->exit == VM_EXIT_EVENT);
	CHECK(RUN->exit == VM_EXIT_MEM || RUN->exit == VM_EXIT_STOP);
	CHECK_RESULT(sys_mem_unmap(RUN, sizeof *RUN), 0);
	CHECK(sys_vcpu_run(vm, 0) <= 0);
}

/* A monitor whose guest only spins is killed after a while. */
static void
kill_spinning(const uint8_t *code, size_t size)
{
	uint64_t before = pages_available();
	long child = must_fork();

	if (child == 0) {
		uint32_t vm = new_guest(code, size);

		for (;;)
			sys_vcpu_run(vm, 0);
	}
	sys_env_sleep(50000);
	CHECK_RESULT(sys_env_kill(child), 0);
	CHECK_RESULT(sys_env_wait(child), ENV_WAIT_KILLED);
	CHECK_RESULT(pages_available(), before);
}

void
test_vm_cleanup(void)
{
	static const uint8_t open[] = {0xfb, 0xeb, 0xfe}; /* sti; jmp . */
	static const uint8_t shut[] = {0xfa, 0xeb, 0xfe}; /* cli; jmp . */
	struct hv_caps caps;
	struct sys_info info;

	if (!have_vms())
		return;
	kill_spinning(open, sizeof open);
	/* On one CPU, SVM under Bochs would never come back: docs/QUIRKS.md. */
	CHECK_RESULT(sys_hv_caps(&caps), 0);
	CHECK_RESULT(sys_sys_info(&info), 0);
	if (caps.vendor == HV_VMX || info.cpus > 1)
		kill_spinning(shut, sizeof shut);
}

/*
 * A guest that is killed just when its last exit waits for the kernel lock, and that no interrupt
 * ends when it goes on.  start: the TSC at which it begins, end: at which it is killed.
 */
static void
kill_between_exits(uint64_t start, uint64_t end)
{
	/* cli; mov $DELAY, %ecx; loop .; mov %al, PAGE, which is not mapped yet; jmp . */
	static const uint8_t code[] = {0xfa, 0x66, 0xb9, 0x10, 0x27, 0x00, 0x00, 0x67,
	                               0xe2, 0xfd, 0xa2, 0x00, 0x20, 0xeb, 0xfe};
	long child = must_fork();

	if (child == 0) {
		uint32_t vm = new_guest(code, sizeof code);

		while (rdtsc() < start)
			;
		for (;;)
			sys_vcpu_run(vm, 0);
	}
	while (rdtsc() < end)
		;
	CHECK_RESULT(sys_env_kill(child), 0);
	CHECK_RESULT(sys_env_wait(child), ENV_WAIT_KILLED);
}

void
test_vm_kill_between_exits(void)
{
	enum { DELAY = 10000, STEP = DELAY / 4, TRIES = 16, FORK_TICKS = 3000000 };
	struct sys_info info;

	CHECK_RESULT(sys_sys_info(&info), 0);
	if (!have_vms() || info.cpus == 1)
		return;
	for (int i = 0; i < TRIES; i++) {
		uint64_t end = rdtsc() + FORK_TICKS + info.tsc_hz / 100;

		kill_between_exits(end + (i - TRIES / 2) * STEP - DELAY, end);
	}
}

/* A monitor that has run its guest for a moment, and sleeps. */
static void
run_and_sleep(void)
{
	static const uint8_t spin[] = {0xfb, 0xeb, 0xfe}; /* sti; jmp . */
	uint32_t vm = new_guest(spin, sizeof spin);

	RUN->deadline = rdtsc();
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	sys_env_sleep(5000000);
}

/* On several CPUs an idle one still has the vCPU. */
void
test_vm_kill_asleep(void)
{
	uint64_t before = pages_available(), from;
	struct sys_info info;
	long child;

	if (!have_vms())
		return;
	CHECK_RESULT(sys_sys_info(&info), 0);
	child = must_fork();
	if (child == 0) {
		run_and_sleep();
		exit(1);
	}
	/* Without a system call, so that the child is elsewhere if it can be. */
	for (from = rdtsc(); rdtsc() - from < info.tsc_hz / 20;)
		;
	CHECK_RESULT(sys_env_kill(child), 0);
	CHECK_RESULT(sys_env_wait(child), ENV_WAIT_KILLED);
	CHECK_RESULT(pages_available(), before);
}
