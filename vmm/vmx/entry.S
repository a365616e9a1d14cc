#include "vmm/vmx/vmx.h"

/*
 * int vmx_enter(struct vcpu *v)
 *
 * An ordinary function that returns after the VM exit.  rdi points to the
 * vCPU, whose gpr[] comes first, in hardware encoding order; RSP is the VMCS's.
 */
#define GPR(n) ((n) * 8)(%rdi)

	.text
	.globl vmx_enter
	.type vmx_enter, @function
vmx_enter:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
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
	mov GPR(1), %rcx
	mov GPR(2), %rdx
	mov GPR(3), %rbx
	mov GPR(5), %rbp
	mov GPR(6), %rsi
	mov GPR(8), %r8
	mov GPR(9), %r9
	mov GPR(10), %r10
	mov GPR(11), %r11
	mov GPR(12), %r12
	mov GPR(13), %r13
	mov GPR(14), %r14
	mov GPR(15), %r15
	mov GPR(7), %rdi
	je 2f
	vmresume
	jmp 3f
2:	vmlaunch
3:	/* Still here: the entry was refused, and the flags say how. */
	pop %rdi
	mov $-1, %eax
	jmp 4f

	.globl vmx_exit_point
	.type vmx_exit_point, @function
vmx_exit_point:
	xchg %rdi, (%rsp)
	mov %rax, GPR(0)
	mov %rcx, GPR(1)
	mov %rdx, GPR(2)
	mov %rbx, GPR(3)
	mov %rbp, GPR(5)
	mov %rsi, GPR(6)
	mov %r8, GPR(8)
	mov %r9, GPR(9)
	mov %r10, GPR(10)
	mov %r11, GPR(11)
	mov %r12, GPR(12)
	mov %r13, GPR(13)
	mov %r14, GPR(14)
	mov %r15, GPR(15)
	pop GPR(7)
	mov VCPU_BACKEND(%rdi), %rax
	movb $1, VMX_LAUNCHED(%rax)
	xor %eax, %eax
4:
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret
