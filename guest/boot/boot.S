/*
 * The guest's boot sector: sets COM1 up, reads the loader from the disk with programmed I/O, enters
 * 32-bit mode and jumps to the loader.  The boot sector uses devices only and needs no BIOS.  On an
 * error it prints one line and powers off with status 1.
 */
#include "guest/boot/real.inc"

	.code16
	.globl	start
start:
	REAL_START
	COM1_INIT
	movw	$COM1_LSR, %dx
	inb	%dx, %al
	incb	%al		/* all ones: there is no UART to print on */
	jz	give_up

	inb	$0x92, %al	/* A20 on; bit 0 would reset the machine */
	orb	$2, %al
	andb	$~1, %al
	outb	%al, $0x92

	call	wait_disk
	movw	$IDE_DRIVE, %dx
	movb	$IDE_MASTER_LBA, %al
	outb	%al, %dx
	call	wait_disk
	movw	$IDE_COUNT, %dx
	movw	BOOT_SECTOR + LOADER_SECTORS_AT, %bp
	movw	%bp, %ax
	outb	%al, %dx
	incw	%dx		/* IDE_LBA0: the loader begins at sector 1 */
	movb	$1, %al
	outb	%al, %dx
	movb	$0, %al
	incw	%dx
	outb	%al, %dx
	incw	%dx
	outb	%al, %dx
	movw	$IDE_COMMAND, %dx
	movb	$IDE_READ_SECTORS, %al
	outb	%al, %dx

	movw	$LOADER_BASE, %di
read_sector:
	call	wait_disk
	testb	$IDE_ERR | IDE_DF, %al
	jnz	disk_error
	testb	$IDE_DRQ, %al
	jz	disk_error
	movw	$IDE_DATA, %dx
	movw	$SECTOR_SIZE / 2, %cx
	rep insw
	decw	%bp
	jnz	read_sector

	ENTER_32
	movzwl	BOOT_SECTOR + LOADER_SECTORS_AT, %eax
	incl	%eax		/* the kernel's first sector */
	movl	$LOADER_BASE, %ecx
	jmp	*%ecx

	.code16
/* Waits until the disk is not busy.  Returns the disk's status in AL. */
wait_disk:
	movl	$IDE_POLLS, %ecx
	movw	$IDE_STATUS, %dx
1:	inb	%dx, %al
	testb	$IDE_BSY, %al
	jz	2f
	decl	%ecx
	jnz	1b
	movw	$no_disk, %si
	jmp	fail
2:	ret

disk_error:
	movw	$bad_disk, %si
fail:
	call	puts
give_up:
	POWER_OFF 1

	PUTS_SUBROUTINE puts
	COM1_SETUP_TABLE
	BOOT_GDT
no_disk:
	.asciz	"guest boot: no disk answers at port 1f0h\r\n"
bad_disk:
	.asciz	"guest boot: cannot read the loader from the disk\r\n"
