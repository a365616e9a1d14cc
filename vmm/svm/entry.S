/*
 * void svm_enter_guest(struct vcpu *v, uint64_t vmcb_pa, uint64_t host_vmcb_pa)
 *
 * An ordinary function that returns after the #VMEXIT.  rdi points to the vCPU,
 * whose gpr[] comes first, in hardware encoding order; RAX and RSP are the VMCB's.
 * VMLOAD and VMSAVE switch what VMRUN leaves: FS, GS, TR, LDTR, the SYSCALL and
 * SYSENTER MSRs.
 */
#define GPR(n) ((n) * 8)(%rdi)

	.text
	.globl svm_enter_guest
	.type svm_enter_guest, @function
svm_enter_guest:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	push %rdx
	push %rdi

	/*
	 * With GIF clear nothing comes in; with IF set, interrupts end guest mode.
	 * Nothing comes in between either, since STI takes effect one instruction later.
	 */
	sti
	clgi
	mov %rsi, %rax
	vmload %rax
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
	vmrun %rax
	cli
	vmsave %rax

	xchg %rdi, (%rsp)
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
	pop %rax
	vmload %rax
	stgi

	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret
