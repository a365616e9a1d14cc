#include "inc/cpuid.h"
#include "inc/memlayout.h"
#include "inc/mmu.h"
#include "inc/msr.h"
#include "inc/multiboot2.h"
#include "inc/uart.h"
#include "kern/boot/longmode.h"

/*
 * The way in: a Multiboot2 loader jumps to `start` in 32-bit protected mode,
 * without paging.  .boot is linked where it is loaded; the rest of the kernel
 * is linked KERNBASE higher and has to be named through PHYS() here.
 */
#define COM1		0x3f8
#define TX_WAIT		100000 /* polls of the line status; a missing UART must not hang us */
#define VGA_TEXT	0xb8000
#define VGA_ATTR	0x07
#define RFLAGS_ID	0x200000
#define CPUID_EXT	0x80000000
#define CPUID_EXT1	0x80000001

	.section .boot.header, "a"
	.balign MB2_HEADER_ALIGN
header:
	.long	MB2_HEADER_MAGIC, MB2_ARCH_I386, header_end - header
	.long	-(MB2_HEADER_MAGIC + MB2_ARCH_I386 + (header_end - header))

	.balign MB2_HEADER_ALIGN
1:	.word	MB2_HEADER_INFO_REQUEST, 0
	.long	2f - 1b, MB2_TAG_MMAP
2:
	.balign MB2_HEADER_ALIGN
	.word	MB2_HEADER_ENTRY, 0
	.long	12, start

	.balign MB2_HEADER_ALIGN
	.word	MB2_HEADER_MODULE_ALIGN, 0
	.long	8

	.balign MB2_HEADER_ALIGN
	.word	MB2_HEADER_END, 0
	.long	8
header_end:

	.section .boot, "ax"
	.code32
	.globl	start
start:
	cli
	cld
	mov	$PHYS(boot_stack_top), %esp
	mov	%ebx, %ebp		/* the Multiboot2 information: cpuid clobbers ebx */
	mov	$no_loader, %esi
	cmp	$MB2_BOOT_MAGIC, %eax
	jne	refuse
	call	check_cpu

	call	build_tables
	call	boot_long_mode
	ljmp	$SEL_KCODE, $start64

/* Returns if the CPU has what the kernel needs; esi names what it has not. */
check_cpu:
	mov	$no_cpuid, %esi
	pushfl
	popl	%eax
	mov	%eax, %ecx
	xor	$RFLAGS_ID, %eax
	pushl	%eax
	popfl
	pushfl
	popl	%eax
	cmp	%eax, %ecx
	je	refuse

	mov	$no_long_mode, %esi
	mov	$CPUID_EXT, %eax
	cpuid
	cmp	$CPUID_EXT1, %eax
	jb	refuse
	mov	$CPUID_EXT1, %eax
	cpuid
	test	$CPUIDX1_EDX_LM, %edx
	jz	refuse
	mov	$no_nx, %esi
	test	$CPUIDX1_EDX_NX, %edx
	jz	refuse
	ret

/*
 * The first 4 GiB in 2 MiB pages, both at 0 (where this code runs) and at
 * DIRECT_BASE; the first GiB of it at KERNBASE.  pmap_init replaces it all.
 */
build_tables:
	mov	$PHYS(boot_pds), %edi
	mov	$(PTE_P | PTE_W | PTE_PS), %eax
	mov	$(BOOT_PDS * 512), %ecx
1:	mov	%eax, (%edi)
	movl	$0, 4(%edi)
	add	$8, %edi
	add	$LARGE_PAGE_SIZE, %eax
	loop	1b

	mov	$(PHYS(boot_pds) + PTE_P + PTE_W), %eax
	mov	%eax, PHYS(boot_pdpt_kernel) + 8 * ((KERNBASE >> 30) & 511)
	mov	$PHYS(boot_pdpt), %edi
	mov	$BOOT_PDS, %ecx
1:	mov	%eax, (%edi)
	add	$8, %edi
	add	$PAGE_SIZE, %eax
	loop	1b

	mov	$(PHYS(boot_pdpt) + PTE_P + PTE_W), %eax
	mov	%eax, PHYS(boot_pml4)
	mov	%eax, PHYS(boot_pml4) + 8 * ((DIRECT_BASE >> 39) & 511)
	mov	$(PHYS(boot_pdpt_kernel) + PTE_P + PTE_W), %eax
	mov	%eax, PHYS(boot_pml4) + 8 * ((KERNBASE >> 39) & 511)
	ret

/* Prints the line at esi on COM1 and at the screen's top, and stops. */
refuse:
	mov	$(COM1 + UART_LCR), %dx
	mov	$(UART_LCR_DLAB | UART_LCR_WLEN8), %al
	out	%al, %dx
	mov	$(COM1 + UART_DLL), %dx
	mov	$1, %al			/* 115200 baud */
	out	%al, %dx
	inc	%dx
	xor	%al, %al
	out	%al, %dx
	mov	$(COM1 + UART_LCR), %dx
	mov	$UART_LCR_WLEN8, %al
	out	%al, %dx

	mov	$VGA_TEXT, %edi
	mov	$VGA_ATTR, %ah
1:	lodsb
	test	%al, %al
	jz	4f
	mov	%al, %bl
	mov	$(COM1 + UART_LSR), %dx
	mov	$TX_WAIT, %ecx
2:	in	%dx, %al
	test	$UART_LSR_THRE, %al
	loopz	2b
	mov	%bl, %al
	mov	$COM1, %dx
	out	%al, %dx
	cmp	$' ', %al
	jb	1b
	stosw
	jmp	1b
4:	hlt
	jmp	4b

no_loader:
	.asciz	"nestling: cannot boot: not started by a Multiboot2 loader (eax is not 0x36d76289)\r\n"
no_cpuid:
	.asciz	"nestling: cannot boot: the CPU has no CPUID instruction; a 64-bit x86 CPU is needed\r\n"
no_long_mode:
	.asciz	"nestling: cannot boot: the CPU has no long mode (CPUID 80000001h EDX.LM); a 64-bit x86 CPU is needed\r\n"
no_nx:
	.asciz	"nestling: cannot boot: the CPU has no execute-disable pages (CPUID 80000001h EDX.NX), or the firmware hides them\r\n"

	.code64
start64:
	movabs	$start_high, %rax
	jmp	*%rax

	.text
start_high:
	/* From here on nothing low is needed. */
	lgdt	boot_gdtr_high(%rip)
	mov	$SEL_KDATA, %eax
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	mov	$boot_stack_top, %rsp
	mov	%ebp, %edi
	xor	%ebp, %ebp		/* where backtraces end */
	call	kernel_main

	.section .note.GNU-stack, "", @progbits
