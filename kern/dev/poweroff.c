#include "kern/dev/poweroff.h"

#include "inc/x86.h"
#include "kern/console.h"
#include "kern/dev/acpi.h"
#include "kern/dev/dev.h"

/* Where emulators listen for their end. */
enum {
	QEMU_DEBUG_EXIT = 0xf4, /* isa-debug-exit: ends with status << 1 | 1 */
	BOCHS_SHUTDOWN = 0x8900,
	/* PM1a control registers of QEMU's q35 and i440fx and of Bochs, where firmware puts them.
	 */
	ACPI_Q35 = 0x604,
	ACPI_I440FX_OLD = 0xb004,
	ACPI_SLP_EN = 0x2000, /* sleep type 0 is S5 there */
};

_Noreturn void
poweroff(int status)
{
	console_fresh_line();
	kprintf("nestling: poweroff, status %d\n", status);
	uart_drain();

	outl(QEMU_DEBUG_EXIT, status);
	outsb(BOCHS_SHUTDOWN, "Shutdown", 8);
	outw(ACPI_Q35, ACPI_SLP_EN);
	outw(ACPI_I440FX_OLD, ACPI_SLP_EN);
	for (;;) {
		cli();
		__asm__ volatile("hlt");
	}
}
