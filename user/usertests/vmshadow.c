#include "user/usertests/vmtest.h"

/* Shadow paging, and a monitor whose memory moves under it. */

enum { DIRECTORY = 0x2000, COUNTER = 0x4000, FLAT_CODE = 0xc09b, FLAT_DATA = 0xc093 };

static volatile uint32_t *
counter(void)
{
	return (uint32_t *)(RAM + COUNTER);
}

/* Counts, and tells it to PORT, for ever: 32-bit code, with paging, since without VMX has no shadow
 * tables. */
static uint32_t
new_counting_guest(void)
{
	/* again: incl [4000]; out PORT, al; jmp again */
	static const uint8_t code[] = {0xff, 0x05, 0x00, 0x40, 0x00, 0x00, 0xe6, PORT, 0xeb, 0xf6};
	struct vm_config config = {
	        .name = "shadow", .ram = RAM_SIZE, .leaves = 2, .paging = VM_PAGING_SHADOW};
	long vm = sys_vm_create(&config);
	struct vm_regs regs;

	CHECK(vm > 0);
	CHECK_RESULT(sys_mem_map(RAM, RAM_SIZE), 0);
	memcpy(RAM + CODE, code, sizeof code);
	*(volatile uint32_t *)(RAM + DIRECTORY) = PTE_P | PTE_W | PTE_PS;
	CHECK_RESULT(sys_vm_map(vm, 0, RAM, RAM_SIZE), 0);
	CHECK_RESULT(sys_vcpu_create(vm, RUN), 0);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	regs.cr0 |= CR0_PE | CR0_PG;
	regs.cr3 = DIRECTORY;
	regs.cr4 |= CR4_PSE;
	regs.rip = CODE;
	for (enum vm_seg s = SEG_ES; s <= SEG_GS; s++)
		regs.seg[s] = (struct vm_segment){.limit = UINT32_MAX,
		                                  .ar = s == SEG_CS ? FLAT_CODE : FLAT_DATA};
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
	RUN->deadline = UINT64_MAX;
	return vm;
}

static void
count(uint32_t vm)
{
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK(RUN->exit == VM_EXIT_IO && RUN->io.port == PORT);
}

void
test_vm_shadow_memory(void)
{
	uint32_t vm;

	if (!have_vms())
		return;
	vm = new_counting_guest();
	count(vm);
	count(vm);
	CHECK_RESULT(*counter(), 2);
	CHECK_RESULT(sys_mem_unmap(RAM + COUNTER, PAGE_SIZE), 0);
	CHECK_RESULT(sys_mem_map(RAM + COUNTER, PAGE_SIZE), 0);
	count(vm);
	CHECK_RESULT(*counter(), 1);
	/* A page of its tables, too. */
	CHECK_RESULT(sys_mem_unmap(RAM + DIRECTORY, PAGE_SIZE), 0);
	CHECK_RESULT(sys_mem_map(RAM + DIRECTORY, PAGE_SIZE), 0);
	*(volatile uint32_t *)(RAM + DIRECTORY) = PTE_P | PTE_W | PTE_PS;
	count(vm);
	CHECK_RESULT(*counter(), 2);
	CHECK_RESULT(sys_mem_unmap(RAM, RAM_SIZE), 0);
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK(RUN->exit == VM_EXIT_MEM || RUN->exit == VM_EXIT_STOP);
}

void
test_vm_shadow_fork(void)
{
	struct ipc_msg msg;
	uint32_t vm;
	long child;

	if (!have_vms())
		return;
	vm = new_counting_guest();
	count(vm);
	child = must_fork();
	if (child == 0) {
		CHECK_RESULT(sys_ipc_recv(&msg, NULL), 0);
		CHECK_RESULT(*counter(), 1);
		*counter() = 100;
		exit(0);
	}
	count(vm);
	CHECK_RESULT(sys_ipc_send(child, 0, NULL), 0);
	CHECK_RESULT(sys_env_wait(child), 0);
	count(vm);
	CHECK_RESULT(*counter(), 3);
}
