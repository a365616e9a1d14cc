/* The loader's assembly: its first instructions, BIOS calls from C, and the jump to the kernel. */
#include "boot/image.h"
#include "inc/mmu.h"
#include "inc/multiboot2.h"

#define CODE32 0x08
#define DATA32 0x10
#define CODE16 0x18
#define DATA16 0x20

#define EFLAGS_ID 0x200000

	.code16
	.section .text.start, "ax"
	.long	LOADER_MAGIC
	.globl	loader_start
loader_start:				/* the boot sector jumps here, drive in dl */
	cli
	lgdtl	gdt_pointer
	movl	%cr0, %eax
	orl	$CR0_PE, %eax
	movl	%eax, %cr0
	ljmp	$CODE32, $1f

	.code32
1:	movw	$DATA32, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %fs
	movw	%ax, %gs
	movw	%ax, %ss
	movl	$LOADER_STACK, %esp
	movl	$bss_start, %edi
	movl	$bss_end, %ecx
	subl	%edi, %ecx
	xorl	%eax, %eax
	cld
	rep stosb
	movzbl	%dl, %edx
	pushl	%edx
	call	loader_main		/* does not return */

	.text
/* void bios_call(uint32_t vector, struct bios_regs *regs) */
	.globl	bios_call
bios_call:
	pushl	%ebp
	pushl	%ebx
	pushl	%esi
	pushl	%edi
	movl	20(%esp), %eax
	movl	(, %eax, 4), %eax	/* the vector's segment:offset */
	movl	%eax, bios_entry
	movl	24(%esp), %ebp		/* regs; below 64 KiB, like the stack */
	ljmp	$CODE16, $2f		/* through 16-bit protected mode, for its limits */

	.code16
2:	movw	$DATA16, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	%cr0, %eax
	andl	$~CR0_PE, %eax
	movl	%eax, %cr0
	ljmp	$0, $3f
3:	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	pushw	%bp
	movl	0(%bp), %eax
	movl	4(%bp), %ebx
	movl	8(%bp), %ecx
	movl	12(%bp), %edx
	movl	16(%bp), %esi
	movl	20(%bp), %edi
	movw	24(%bp), %es
	sti
	pushfw				/* acts as INT with a variable vector */
	lcallw	*bios_entry
	cli
	popw	%bp
	pushfw
	popw	26(%bp)
	movl	%eax, 0(%bp)
	movl	%ebx, 4(%bp)
	movl	%ecx, 8(%bp)
	movl	%edx, 12(%bp)
	movl	%esi, 16(%bp)
	movl	%edi, 20(%bp)
	movw	%es, 24(%bp)
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	gdt_pointer		/* a BIOS that uses protected mode leaves its own GDT */
	movl	%cr0, %eax
	orl	$CR0_PE, %eax
	movl	%eax, %cr0
	ljmp	$CODE32, $4f

	.code32
4:	movw	$DATA32, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %fs
	movw	%ax, %gs
	movw	%ax, %ss
	cld
	popl	%edi
	popl	%esi
	popl	%ebx
	popl	%ebp
	ret

/* bool cpuid_present(void) returns true if the ID flag can be changed. */
	.globl	cpuid_present
cpuid_present:
	pushfl
	popl	%ecx
	movl	%ecx, %eax
	xorl	$EFLAGS_ID, %eax
	pushl	%eax
	popfl
	pushfl
	popl	%eax
	xorl	%ecx, %eax
	shrl	$21, %eax
	andl	$1, %eax
	ret

/* void kernel_start(uint32_t entry, const struct mb2_info *info) */
	.globl	kernel_start
kernel_start:
	movl	4(%esp), %ecx
	movl	8(%esp), %ebx
	movl	$MB2_BOOT_MAGIC, %eax
	jmp	*%ecx

	.data
	.balign	8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* CODE32: flat */
	.quad	0x00cf93000000ffff	/* DATA32: flat */
	.quad	0x00009b000000ffff	/* CODE16: 64 KiB */
	.quad	0x000093000000ffff	/* DATA16: 64 KiB */
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt
bios_entry:
	.long	0
