#include "user/usertests/vmtest.h"

/* Entries that are broken on purpose harm that VM alone, and leave nothing behind. */

static void
check_arguments(uint32_t vm, uint32_t breaks)
{
	CHECK_RESULT(sys_vm_break_info(0, (struct vm_break_info *)KERNBASE), -E_FAULT);
	CHECK_RESULT(sys_vcpu_break(vm + 1, 0, 0), -E_BAD_VM);
	CHECK_RESULT(sys_vcpu_break(vm, 1, 0), -E_BAD_VM);
	CHECK_RESULT(sys_vcpu_break(vm, 0, breaks), -E_INVAL);
}

/* One after another in one vCPU: what a break changed must be undone before the next one. */
void
test_vm_break(void)
{
	static const uint8_t code[] = {0xe6, PORT, 0xeb, 0xfc}; /* 1: out PORT, al; jmp 1b */
	struct vm_break_info info;
	struct vm_regs good;
	uint32_t vm, refused = 0, i;

	if (!have_vms())
		return;
	vm = new_guest(code, sizeof code);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &good), 0);
	for (i = 0; sys_vm_break_info(i, &info) == 0; i++) {
		CHECK_RESULT(sys_vcpu_break(vm, 0, i), 0);
		do
			CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
		while (RUN->exit != VM_EXIT_STOP);
		refused += RUN->stop.why == VM_STOP_ENTRY_FAILED;
		CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &good), 0);
		CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
		CHECK_RESULT(RUN->exit, VM_EXIT_IO);
	}
	CHECK(refused > i / 2);
	check_arguments(vm, i);
}

/* Entries into a VM of its own that are all refused, or stop it for another reason. */
static void
break_often(void)
{
	static const uint8_t code[] = {0xe6, PORT, 0xeb, 0xfc}; /* 1: out PORT, al; jmp 1b */
	enum { ROUNDS = 100 };
	uint32_t vm = new_guest(code, sizeof code);
	struct vm_regs good;

	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &good), 0);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		CHECK_RESULT(sys_vcpu_break(vm, 0, i % 16), 0);
		do
			CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
		while (RUN->exit != VM_EXIT_STOP);
		CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &good), 0);
	}
}

/* On several CPUs at once. */
void
test_vm_break_together(void)
{
	enum { MONITORS = 4 };
	long child[MONITORS];

	if (!have_vms())
		return;
	for (unsigned int i = 0; i < MONITORS; i++) {
		child[i] = must_fork();
		if (child[i] == 0) {
			break_often();
			exit(0);
		}
	}
	for (unsigned int i = 0; i < MONITORS; i++)
		CHECK_RESULT(sys_env_wait(child[i]), 0);
}
