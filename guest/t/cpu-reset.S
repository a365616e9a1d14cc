/*
 * A RESET must leave nothing of a processor's state.  The guest changes all that it can, lets the
 * keyboard controller reset the machine, and must find everything as it was at its first start.
 * Needs XSAVE.
 */
#include "guest/t/t.inc"
#define MARK		0x500		/* in RAM, which stays: 1 after the RESET */
#define FIRST		0x1000		/* the state at the first start */
#define NOW		0x2000		/* the state now */
#define FXSAVE_AT	0x100
#define WORDS		((FXSAVE_AT + 512) / 4)
#define CHANGED		0x04040404	/* a valid value for every register here */
#define MXCSR_CHANGED	0x9f80
#define CHANGES		30		/* words of the state that `change` must change, at least */

	REAL_TEST
	movw	$FIRST, %di
	cmpb	$1, MARK
	je	again
	call	look
	call	change
	movw	$NOW, %di
	call	look
	call	compare
	cmpw	$CHANGES, %bx
	jb	fail
	movb	$1, MARK
	movb	$0xfe, %al		/* resets */
	outb	%al, $0x64
	jmp	fail

again:	rdtsc
	btl	$16, %edx
	jc	fail
	movw	$NOW, %di
	call	look
	call	compare
	testw	%bx, %bx
	jnz	fail
	FINISH	STATUS_OK, "cpu-reset: PASS"
fail:	FINISH	STATUS_FAIL, "cpu-reset: FAIL"

/* Stores the state at DI. */
look:	leaw	FXSAVE_AT(%di), %bx
	movl	%cr0, %eax
	stosl
	movl	%cr2, %eax
	stosl
	movl	%cr3, %eax
	stosl
	movl	%cr4, %eax
	stosl
	orl	$CR4_OSFXSR | CR4_OSXSAVE, %eax
	movl	%eax, %cr4
	movl	%dr0, %eax
	stosl
	movl	%dr1, %eax
	stosl
	movl	%dr2, %eax
	stosl
	movl	%dr3, %eax
	stosl
	movl	%dr6, %eax
	stosl
	movl	%dr7, %eax
	stosl
	xorl	%ecx, %ecx
	xgetbv
	stosl
	movw	$msrs, %si
1:	lodsl
	movl	%eax, %ecx
	rdmsr
	stosl
	movl	%edx, %eax
	stosl
	cmpw	$msrs_end, %si
	jne	1b
	fxsave	(%bx)
	ret

change:	movl	$CHANGED, %eax
	movl	%eax, %cr2
	movl	%eax, %cr3
	movl	%eax, %dr0
	movl	%eax, %dr1
	movl	%eax, %dr2
	movl	%eax, %dr3
	movl	%eax, %dr6
	movl	%eax, %dr7
	movd	%eax, %xmm5
	fldpi
	ldmxcsr	mxcsr
	xorl	%edx, %edx
	movw	$msrs_canonical, %si
1:	movl	(%si), %ecx
	wrmsr
	addw	$4, %si
	cmpw	$msrs_end, %si
	jne	1b
	movl	$MSR_EFER, %ecx
	movl	$EFER_SCE, %eax
	wrmsr
	movl	$3, %eax
	xorl	%ecx, %ecx
	xsetbv
	movb	$MSR_TSC, %cl
	btsl	$16, %edx
	wrmsr
	movl	%cr0, %eax
	orb	$CR0_NE | CR0_MP, %al
	movl	%eax, %cr0
	ret

/* Counts in BX the words that differ from the first start. */
compare:
	movw	$FIRST, %si
	movw	$NOW, %di
	movw	$WORDS, %cx
	xorw	%bx, %bx
1:	cmpsl
	je	2f
	incw	%bx
2:	loop	1b
	ret

mxcsr:	.long	MXCSR_CHANGED
msrs:	.long	MSR_EFER
msrs_canonical:
	.long	MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_MISC_ENABLE, MSR_PAT
	.long	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_FMASK, MSR_KERNEL_GS_BASE
msrs_end:
	REAL_END
