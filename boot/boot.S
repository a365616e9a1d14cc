/*
 * The boot sector.  The BIOS loads it to 0x7c00 and starts it in real mode
 * with the drive's number in dl.  It loads the loader with one INT 13h
 * extended read and jumps to it, the drive's number still in dl.
 */
#include "boot/image.h"
#include "inc/uart.h"

#define COM1	     0x3f8
#define EDD_PRESENT  0xaa55
#define EDD_PACKETS  0x01 /* extended reads work */

	.code16
	.text
	.globl	start
start:
	cli
	ljmp	$0, $1f			/* some BIOSes enter at 07c0:0000 */
1:	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$BOOT_SECTOR_BASE, %sp
	cld
	sti

	pushw	%dx
	movw	$uart_setup, %si
2:	lodsw				/* al: register, ah: value */
	movw	$COM1, %dx
	addb	%al, %dl
	movb	%ah, %al
	outb	%al, %dx
	cmpw	$uart_setup_end, %si
	jb	2b
	popw	%dx

	movb	$0x41, %ah		/* INT 13h extensions? */
	movw	$0x55aa, %bx
	int	$0x13
	movw	$no_edd, %si
	jc	fail
	cmpw	$EDD_PRESENT, %bx
	jne	fail
	testb	$EDD_PACKETS, %cl
	jz	fail

	movb	$0x42, %ah
	movw	$packet, %si
	int	$0x13
	jc	disk_error
	movw	$no_loader, %si
	cmpl	$LOADER_MAGIC, LOADER_BASE
	jne	fail
	ljmp	$0, $LOADER_BASE + 4

disk_error:
	movb	%ah, %al		/* the status, in hexadecimal */
	shrb	$4, %al
	call	digit
	movb	%al, status
	movb	%ah, %al
	andb	$0xf, %al
	call	digit
	movb	%al, status + 1
	movw	$read_failed, %si
	/* fall through */

/* Prints the message at si on screen and serial port, and stops. */
fail:
	pushw	%si
	movw	$prefix, %si
	call	puts
	popw	%si
	call	puts
	movw	$newline, %si
	call	puts
3:	cli
	hlt
	jmp	3b

digit:
	addb	$'0', %al
	cmpb	$'9', %al
	jbe	4f
	addb	$'a' - '9' - 1, %al
4:	ret

puts:
	lodsb
	testb	%al, %al
	jz	4b
	movb	$0x0e, %ah		/* teletype output */
	movw	$0x0007, %bx
	pushw	%ax
	int	$0x10
	movw	$COM1 + UART_LSR, %dx
	xorw	%cx, %cx		/* without a port, go on after 65536 looks */
5:	inb	%dx, %al
	testb	$UART_LSR_THRE, %al
	loopz	5b
	popw	%ax
	movw	$COM1, %dx
	outb	%al, %dx
	jmp	puts

uart_setup:				/* 115200 baud, 8 bits, no parity, 1 stop bit */
	.byte	UART_IER, 0
	.byte	UART_LCR, UART_LCR_DLAB
	.byte	UART_DLL, 1
	.byte	UART_DLM, 0
	.byte	UART_LCR, UART_LCR_WLEN8
	.byte	UART_MCR, UART_MCR_DTR | UART_MCR_RTS
uart_setup_end:

packet:					/* disk address packet */
	.byte	16, 0
	.word	IMAGE_LOADER_SECTORS
	.word	LOADER_BASE, 0		/* offset, segment */
	.quad	IMAGE_LOADER_LBA

prefix:	     .asciz BOOT_ERROR_PREFIX
newline:     .asciz "\r\n"
no_edd:	     .asciz "the BIOS has no INT 13h extended reads for this drive"
no_loader:   .asciz "the sectors behind the boot sector hold no loader"
read_failed: .ascii "disk error reading the loader, status 0x"
status:	     .asciz "00"

	.org	510			/* fails to assemble if the code is longer */
	.word	0xaa55
