#include "user/usertests/vmtest.h"

/* The commonest exits touch nothing but their vCPU: no lock, no memory. */

enum { COUNTER = 0x2000, LOOPS = 2500, TRIES = 10 };

/* A real-mode guest: as many loops of fast exits as COUNTER says, and then one to the monitor. */
extern const uint8_t fast_guest[], fast_hypercall[], fast_guest_end[];
__asm__(".pushsection .rodata\n"
        ".code16\n"
        "fast_guest:\n"
        "	mov 0x2000, %esi\n"
        "1:	xor %eax, %eax\n"
        "	cpuid\n"
        "	mov $1, %eax\n"
        "fast_hypercall:\n"
        "	vmcall\n"
        "	mov $0x1b, %ecx\n" /* IA32_APIC_BASE */
        "	rdmsr\n"
        "	wrmsr\n"
        "	dec %esi\n"
        "	jnz 1b\n"
        "	out %al, $0x42\n"
        "	jmp fast_guest\n"
        "fast_guest_end:\n"
        ".code64\n"
        ".popsection\n");

/* The guest with its vendor's hypercall instruction. */
static uint32_t
new_fast_guest(void)
{
	static const uint8_t vmmcall[] = {0x0f, 0x01, 0xd9};
	size_t size = (uintptr_t)fast_guest_end - (uintptr_t)fast_guest;
	struct hv_caps caps;
	uint8_t code[64];

	CHECK(size <= sizeof code);
	memcpy(code, fast_guest, size);
	CHECK_RESULT(sys_hv_caps(&caps), 0);
	if (caps.vendor == HV_SVM)
		memcpy(code + ((uintptr_t)fast_hypercall - (uintptr_t)fast_guest), vmmcall,
		       sizeof vmmcall);
	return new_guest(code, size);
}

/* What a run of the guest took. */
struct cost {
	uint64_t locks, allocs, interrupts;
};

static struct cost
run_loops(uint32_t vm, uint32_t loops)
{
	static const enum hv_exit_kind kinds[] = {HV_EXIT_CPUID, HV_EXIT_VMCALL, HV_EXIT_RDMSR,
	                                          HV_EXIT_WRMSR};
	static struct vm_stats before, after;
	struct sys_info from, to;

	*(volatile uint32_t *)(UVM_RAM + COUNTER) = loops;
	CHECK_RESULT(sys_vm_stats(vm, VM_ALL_VCPUS, &before), 0);
	sys_sys_info(&from);
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	sys_sys_info(&to);
	CHECK_RESULT(sys_vm_stats(vm, VM_ALL_VCPUS, &after), 0);
	CHECK_RESULT(RUN->exit, VM_EXIT_IO);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		CHECK_RESULT(after.count[kinds[i]] - before.count[kinds[i]], loops);
	return (struct cost){
	        .locks = to.lock_taken - from.lock_taken,
	        .allocs = to.page_allocs - from.page_allocs,
	        .interrupts = after.count[HV_EXIT_EXTERNAL_INTERRUPT] -
	                      before.count[HV_EXIT_EXTERNAL_INTERRUPT],
	};
}

/* Ten thousand fast exits take as many locks and frames as four: those of the calls around them. */
void
test_fast_exits(void)
{
	struct cost few, many;
	struct sys_info info;
	uint32_t vm;

	if (!have_vms())
		return;
	vm = new_fast_guest();
	run_loops(vm, 1); /* touches its pages */
	/* A run with an interrupt in it tells nothing and is made again: one that ended guest mode,
	 * or one that was let in between two exits and shows only in the lock. */
	for (int i = 0; i < TRIES; i++) {
		few = run_loops(vm, 1);
		many = run_loops(vm, LOOPS);
		if (!few.interrupts && !many.interrupts && many.locks == few.locks)
			break;
	}
	CHECK_RESULT(few.interrupts + many.interrupts, 0);
	/* Other CPUs take it for what they do. */
	CHECK_RESULT(sys_sys_info(&info), 0);
	CHECK(many.locks - few.locks <= (info.cpus > 1 ? LOOPS / 100 : 0));
	CHECK_RESULT(few.allocs, 0);
	CHECK_RESULT(many.allocs, 0);
}
