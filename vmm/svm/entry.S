#include "vmm/gpr.inc"

/*
 * void svm_enter_guest(struct vcpu *v, uint64_t vmcb_pa, uint64_t host_vmcb_pa)
 *
 * An ordinary function that returns after the #VMEXIT.  RAX is the VMCB's.
 * VMLOAD and VMSAVE switch what VMRUN leaves: FS, GS, TR, LDTR, the SYSCALL and
 * SYSENTER MSRs.
 */
	.text
	.globl svm_enter_guest
	.type svm_enter_guest, @function
svm_enter_guest:
	PUSH_CALLEE_SAVED
	push %rdx
	push %rdi

	/*
	 * With GIF clear nothing comes in; with IF set, interrupts end guest mode.  In this
	 * order: an NMI behind the STI would end its shadow.
	 */
	clgi
	sti
	mov %rsi, %rax
	vmload %rax
	LOAD_GPRS
	vmrun %rax
	cli
	vmsave %rax

	xchg %rdi, (%rsp)
	SAVE_GPRS
	pop %rax
	vmload %rax
	stgi
	POP_CALLEE_SAVED
	ret

	.section .note.GNU-stack, "", @progbits
