#include "user/usertests/vmtest.h"

/* What a VM shares with its neighbours, and with processes: nothing that either may see. */

static void
check_audit(void)
{
	static struct audit_report report;

	CHECK_RESULT(sys_audit(&report, AUDIT_NONE), 0);
	audit_print_findings(&report, printf);
	CHECK_RESULT(report.violations, 0);
}

void
test_vm_large_split(void)
{
	/* mov al, [0x3000]; out PORT, al; mov [0x3000], al; out PORT, al */
	static const uint8_t code[] = {0xa0, 0x00, 0x30, 0xe6, PORT, 0xa2, 0x00, 0x30, 0xe6, PORT};
	struct ipc_msg msg;
	struct vm_regs regs;
	uint32_t vm;
	long child;

	if (!have_vms())
		return;
	vm = new_vm();
	CHECK_RESULT(sys_mem_map(RAM, LARGE_PAGE_SIZE), 0);
	memcpy(RAM + CODE, code, sizeof code);
	CHECK_RESULT(sys_vm_map(vm, 0, RAM, LARGE_PAGE_SIZE), 0);
	CHECK_RESULT(sys_vcpu_create(vm, RUN), 0);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	regs.rip = CODE;
	regs.seg[SEG_CS].base = 0;
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
	RUN->deadline = UINT64_MAX;
	/* The guest reads its 2 MiB, which are ours alone again but still read-only, */
	child = must_fork();
	if (child == 0) {
		CHECK_RESULT(sys_mem_unmap(RAM, LARGE_PAGE_SIZE), 0);
		CHECK_RESULT(sys_ipc_recv(&msg, NULL), 0);
		CHECK_RESULT(sys_ipc_recv(&msg, (void *)SCRATCH), 0);
		exit(0);
	}
	CHECK_RESULT(sys_ipc_send(child, 0, NULL), 0);
	run_to_out(vm);
	/* one page of them is given away, which splits them, and the guest writes. */
	CHECK_RESULT(sys_ipc_send(child, 0, RAM + 0x5000), 0);
	CHECK_RESULT(sys_env_wait(child), 0);
	check_audit();
	run_to_out(vm);
}

/* Reads what another VM may have left: dr0, cr2, xmm0, xmm7; behind it, that is set. */
static const uint8_t leak_code[] = {
        0x0f, 0x21, 0xc0,             /* mov eax, dr0 */
        0x66, 0xa3, 0x00, 0x20,       /* mov [2000], eax */
        0x0f, 0x20, 0xd0,             /* mov eax, cr2 */
        0x66, 0xa3, 0x04, 0x20,       /* mov [2004], eax */
        0x66, 0x0f, 0x7e, 0xc0,       /* movd eax, xmm0 */
        0x66, 0xa3, 0x08, 0x20,       /* mov [2008], eax */
        0x66, 0x0f, 0x7e, 0xf8,       /* movd eax, xmm7 */
        0x66, 0xa3, 0x0c, 0x20,       /* mov [200c], eax */
        0x66, 0xb8, 1,    2,    3, 4, /* mov eax, 04030201 */
        0x0f, 0x23, 0xc0,             /* mov dr0, eax */
        0x0f, 0x22, 0xd0,             /* mov cr2, eax */
        0x66, 0x0f, 0x6e, 0xc0,       /* movd xmm0, eax */
        0x66, 0x0f, 0x6e, 0xf8,       /* movd xmm7, eax */
        0xe6, PORT,                   /* out PORT, al */
};

void
test_vm_leak(void)
{
	struct vm_regs regs;
	uint32_t vm;

	if (!have_vms())
		return;
	for (int i = 0; i < 3; i++) {
		vm = new_guest(leak_code, sizeof leak_code);
		CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
		regs.cr4 = CR4_OSFXSR;
		CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
		run_to_out(vm);
		for (int word = 0; word < 4; word++)
			CHECK_RESULT(((uint32_t *)(RAM + 0x2000))[word], 0);
		delete_guest(vm);
	}
}

void
test_vm_fork(void)
{
	/* again: incw [0x2000]; out PORT, al; jmp again */
	static const uint8_t code[] = {0xff, 0x06, 0x00, 0x20, 0xe6, PORT, 0xeb, 0xf8};
	volatile uint16_t *counter = (uint16_t *)(RAM + 0x2000);
	struct ipc_msg msg;
	uint32_t vm;
	long child;

	if (!have_vms())
		return;
	vm = new_guest(code, sizeof code);
	run_to_out(vm);
	child = must_fork();
	if (child == 0) {
		CHECK_RESULT(sys_vcpu_run(vm, 0), -E_BAD_VM);
		CHECK_RESULT(sys_vm_destroy(vm), -E_BAD_VM);
		CHECK_RESULT(sys_ipc_recv(&msg, NULL), 0);
		CHECK_RESULT(*counter, 1);
		*counter = 100;
		CHECK_RESULT(sys_ipc_recv(&msg, NULL), 0);
		CHECK_RESULT(*counter, 100);
		exit(0);
	}
	run_to_out(vm);
	CHECK_RESULT(*counter, 2);
	CHECK_RESULT(sys_ipc_send(child, 0, NULL), 0);
	run_to_out(vm);
	CHECK_RESULT(sys_ipc_send(child, 0, NULL), 0);
	CHECK_RESULT(sys_env_wait(child), 0);
	run_to_out(vm);
	CHECK_RESULT(*counter, 4);
}
