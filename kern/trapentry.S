#include "inc/memlayout.h"
#include "inc/mmu.h"

/*
 * Trap entry.  There is no swapgs: this_cpu() needs no segment base
 * (docs/TRICKS.md).
 */
#define TRAP_STUB_SIZE	16 /* kern/idt.c counts on it too */
#define RFLAGS_CLEAN	RFLAGS_FIXED

/* The exceptions that push an error code (SDM vol. 3, "Error Code"). */
#define HAS_ERROR(v)                                                                               \
	((v) == X86_DF || ((v) >= X86_TS && (v) <= X86_PF) || (v) == X86_AC || (v) == 21 ||        \
	 (v) == 29 || (v) == 30)

	.text
	.globl	trap_stubs
	.balign TRAP_STUB_SIZE
trap_stubs:
	vector = 0
	.rept	256
	.if	!(HAS_ERROR(vector))
	push	$0
	.endif
	push	$vector
	jmp	trap_common
	vector = vector + 1
	.org	trap_stubs + vector * TRAP_STUB_SIZE, 0xcc /* refused if the stub is larger */
	.endr

/* Registers onto the stack, behind vector and error: struct trapframe, whose address is in rdi. */
	.macro	SAVE_FRAME
	push	%rax
	push	%rcx
	push	%rdx
	push	%rbx
	push	%rbp
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	/*
	 * A gate leaves AC and DF as they were: a user's AC would open the kernel to
	 * user pages in spite of SMAP, and C expects DF clear.
	 */
	pushq	$RFLAGS_CLEAN
	popfq
	mov	%rsp, %rdi
	.endm

	.type	trap_common, @function
trap_common:
	SAVE_FRAME
	call	trap			/* comes back only for traps that continue in place */
	jmp	trap_restore

/* The gate of system calls, which only user mode uses. */
	.globl	trap_syscall_stub
	.type	trap_syscall_stub, @function
trap_syscall_stub:
	push	$0
	push	$T_SYSCALL
	SAVE_FRAME
	call	trap_syscall
	jmp	trap_restore

	.section .note.GNU-stack, "", @progbits
