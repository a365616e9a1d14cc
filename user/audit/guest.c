#include "user/audit/audit.h"

#include "inc/memlayout.h"
#include "inc/mmu.h"
#include "inc/x86.h"

enum { RAM_SIZE = 0x10000, CODE = 0x1000, DIRECTORY = 0x2000, HLT = 0xf4 };
enum { FLAT_CODE = 0xc09b, FLAT_DATA = 0xc093 };

/* 32-bit code with paging, since without there are no shadow tables on VMX. */
static void
set_up(struct vm_regs *regs)
{
	regs->cr0 |= CR0_PE | CR0_PG;
	regs->cr3 = DIRECTORY;
	regs->cr4 |= CR4_PSE;
	regs->rip = CODE;
	for (enum vm_seg s = SEG_ES; s <= SEG_GS; s++)
		regs->seg[s] = (struct vm_segment){.limit = UINT32_MAX,
		                                   .ar = s == SEG_CS ? FLAT_CODE : FLAT_DATA};
}

/* A VM that runs one instruction, HLT with interrupts off, near the bottom of its RAM. */
static long
run_guest(enum vm_paging paging)
{
	struct vm_config config = {.name = "audit", .ram = RAM_SIZE, .leaves = 2, .paging = paging};
	struct vm_run *run = (struct vm_run *)URUN_BASE;
	struct vm_regs regs;
	long vm = sys_vm_create(&config);
	long err = vm < 0 ? vm : sys_vm_map(vm, 0, (void *)UVM_RAM, RAM_SIZE);

	if (err == 0 && (err = sys_vcpu_create(vm, run)) == 0)
		err = sys_vcpu_get_regs(vm, 0, &regs);
	if (err < 0)
		return err;
	set_up(&regs);
	if ((err = sys_vcpu_set_regs(vm, 0, &regs)) < 0)
		return err;
	run->deadline = UINT64_MAX;
	err = sys_vcpu_run(vm, 0);
	return err < 0 || (run->exit == VM_EXIT_STOP && run->stop.why == VM_STOP_DEAD_HALT)
	               ? err
	               : -E_ENTRY;
}

/* Lives until its parent kills it. */
static _Noreturn void
be_the_other(uint32_t parent, enum vm_paging paging)
{
	struct ipc_msg msg;

	sys_ipc_send(parent, run_guest(paging), NULL);
	sys_ipc_recv(&msg, NULL);
	exit(STATUS_ERROR);
}

long
guest_create(enum vm_paging paging)
{
	const uint64_t large = UVM_RAM + LARGE_PAGE_SIZE;
	uint32_t self = sys_env_id();
	struct hv_caps caps;
	struct ipc_msg msg;
	long child, err;

	sys_hv_caps(&caps);
	if (!caps.nested)
		paging = VM_PAGING_SHADOW;
	err = sys_mem_map((void *)UVM_RAM, RAM_SIZE);
	if (err < 0)
		return err;
	*(volatile uint8_t *)(UVM_RAM + CODE) = HLT;
	*(volatile uint32_t *)(UVM_RAM + DIRECTORY) = PTE_P | PTE_W | PTE_PS;
	child = caps.usable ? sys_fork() : 0;
	if (child == 0 && caps.usable)
		be_the_other(self, paging);
	if (child < 0)
		return child;
	/* Not before the fork, or both would have it. */
	err = sys_mem_map((void *)large, LARGE_PAGE_SIZE);
	if (err < 0)
		return err;
	*(volatile uint8_t *)large = 1;
	if (!caps.usable)
		return 0;
	err = sys_ipc_recv(&msg, NULL);
	if (err == 0)
		err = (long)msg.value;
	if (err == 0)
		err = run_guest(paging);
	return err < 0 ? err : child;
}
