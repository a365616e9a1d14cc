#include "user/audit/audit.h"

#include "inc/memlayout.h"
#include "inc/mmu.h"
#include "inc/x86.h"

enum { RAM_SIZE = 0x10000, CODE = 0x1000, HLT = 0xf4 };

/* A VM that runs one instruction, HLT with interrupts off, at the bottom of its RAM. */
static long
run_guest(void)
{
	struct vm_config config = {.name = "audit", .ram = RAM_SIZE, .leaves = 2};
	struct vm_run *run = (struct vm_run *)URUN_BASE;
	struct vm_regs regs;
	long vm = sys_vm_create(&config);
	long err = vm < 0 ? vm : sys_vm_map(vm, 0, (void *)UVM_RAM, RAM_SIZE);

	if (err == 0 && (err = sys_vcpu_create(vm, run)) == 0)
		err = sys_vcpu_get_regs(vm, 0, &regs);
	if (err < 0)
		return err;
	regs.rip = CODE;
	regs.seg[SEG_CS].sel = 0;
	regs.seg[SEG_CS].base = 0;
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
be_the_other(uint32_t parent)
{
	struct ipc_msg msg;

	sys_ipc_send(parent, run_guest(), NULL);
	sys_ipc_recv(&msg, NULL);
	exit(STATUS_ERROR);
}

long
guest_create(void)
{
	const uint64_t large = UVM_RAM + LARGE_PAGE_SIZE;
	uint32_t self = sys_env_id();
	struct hv_caps caps;
	struct ipc_msg msg;
	bool real_mode;
	long child, err;

	sys_hv_caps(&caps);
	real_mode = caps.usable && caps.nested;
	err = sys_mem_map((void *)UVM_RAM, RAM_SIZE);
	if (err < 0)
		return err;
	*(volatile uint8_t *)(UVM_RAM + CODE) = HLT;
	child = real_mode ? sys_fork() : 0;
	if (child == 0 && real_mode)
		be_the_other(self);
	if (child < 0)
		return child;
	/* Not before the fork, or both would have it. */
	err = sys_mem_map((void *)large, LARGE_PAGE_SIZE);
	if (err < 0)
		return err;
	*(volatile uint8_t *)large = 1;
	if (!real_mode)
		return 0;
	err = sys_ipc_recv(&msg, NULL);
	if (err == 0)
		err = (long)msg.value;
	if (err == 0)
		err = run_guest();
	return err < 0 ? err : child;
}
