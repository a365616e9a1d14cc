/* Makes a fixed number of exits of each common kind, and no others but the console's. */
#include "guest/t/t.inc"

#define CPUIDS	   100
#define PORTS	   70
#define MSRS	   50
#define HYPERCALLS 30
#define PAGES	   64 /* pages of 4 KiB, from TOUCHED up; nothing else lies there */
#define TOUCHED	   0x10000

	REAL_TEST
	movw	$CPUIDS, %bp
1:	xorl	%eax, %eax
	cpuid
	decw	%bp
	jnz	1b

	movw	$PORTS, %bp
	movw	$PORT_NONE, %dx
2:	outb	%al, %dx
	inb	%dx, %al
	decw	%bp
	jnz	2b

	movw	$MSRS, %bp
	movl	$MSR_APIC_BASE, %ecx
3:	rdmsr
	wrmsr
	decw	%bp
	jnz	3b

	/* Intel's CPUs have VMCALL and AMD's have VMMCALL; the other one gets #UD. */
	SET_VECTOR X86_UD, amd
	movw	$HYPERCALLS, %bp
4:	movl	$0xffff, %eax
	.byte	0x0f, 0x01, 0xc1 /* VMCALL */
	decw	%bp
	jnz	4b
	jmp	5f
amd:	movl	$0xffff, %eax
	.byte	0x0f, 0x01, 0xd9 /* VMMCALL */
	decw	%bp
	jnz	amd

5:	movw	$PAGES, %bp
	movw	$TOUCHED >> 4, %ax
6:	movw	%ax, %ds
	movb	$1, %ds:0
	addw	$PAGE_SIZE >> 4, %ax
	decw	%bp
	jnz	6b
	xorw	%ax, %ax
	movw	%ax, %ds
	FINISH	STATUS_OK, "counts: done"
	REAL_END
