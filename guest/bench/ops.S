#include "guest/boot/boot.h"
#include "guest/bench/bench.h"

/*
 * The operations that are timed.  Each is a function of its own, so that one loop times them all,
 * and the empty one as well.
 */
	.macro op name
	.globl	\name
	.type	\name, @function
\name:
	.endm

	.text
op bench_nothing
	ret
op bench_cpuid
	cpuid
	ret
op bench_vmcall
	vmcall
	ret
op bench_vmmcall
	vmmcall
	ret
op bench_rdmsr
	rdmsr
	ret
op bench_wrmsr
	wrmsr
	ret
op bench_cr0			/* two values in turn: a write that changes nothing may not exit */
	movq	%rax, %cr0
	movq	%rcx, %cr0
	ret
op bench_out
	outb	%al, %dx
	ret
op bench_in
	inb	%dx, %al
	ret
op bench_outs
	rep outsb
	ret
op bench_mmio_read
	movl	(%rdx), %eax
	ret
op bench_mmio_write
	movl	%eax, (%rdx)
	ret

	.globl	bench_interrupt
bench_interrupt:
	pushq	%rax
	pushq	%rdx
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	movq	%rax, bench_interrupt_tsc
	movl	$BENCH_UART_IIR, %edx
	inb	%dx, %al
	movb	$BENCH_EOI, %al
	outb	%al, $BENCH_PIC
	popq	%rdx
	popq	%rax
	iretq

	.bss
	.globl	bench_interrupt_tsc
	.p2align 3
bench_interrupt_tsc:
	.skip	8
	.section .note.GNU-stack, "", @progbits
