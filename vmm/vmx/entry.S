#include "vmm/gpr.inc"
#include "vmm/vmx/vmx.h"

/*
 * int vmx_enter(struct vcpu *v)
 *
 * An ordinary function that returns after the VM exit.
 */
	.text
	.globl vmx_enter
	.type vmx_enter, @function
vmx_enter:
	PUSH_CALLEE_SAVED
	push %rdi

	/* The stack rarely lies elsewhere than last time, and a VMWRITE is dear. */
	cmp %rsp, VCPU_HOST_RSP(%rdi)
	je 1f
	mov %rsp, VCPU_HOST_RSP(%rdi)
	mov $VMCS_HOST_RSP_FIELD, %eax
	vmwrite %rsp, %rax
1:
	mov VCPU_BACKEND(%rdi), %rax
	cmpb $0, VMX_LAUNCHED(%rax)	/* nothing below changes the flags before the branch */
	mov GPR(0), %rax
	LOAD_GPRS
	je 2f
	vmresume
	jmp 3f
2:	vmlaunch
3:	/* Still here: the entry was refused. */
	pop %rdi
	mov $-1, %eax
	jmp 4f

	.globl vmx_exit_point
	.type vmx_exit_point, @function
vmx_exit_point:
	xchg %rdi, (%rsp)
	mov %rax, GPR(0)
	SAVE_GPRS
	mov VCPU_BACKEND(%rdi), %rax
	movb $1, VMX_LAUNCHED(%rax)
	xor %eax, %eax
4:
	POP_CALLEE_SAVED
	ret

	.section .note.GNU-stack, "", @progbits
