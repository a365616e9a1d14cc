#include "guest/kernel/main.h"

#include "guest/boot/boot.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/irq.h"
#include "guest/kernel/mem.h"
#include "guest/kernel/smp.h"
#include "guest/kernel/trap.h"
#include "inc/x86.h"

/* The start of the kernel, and its end. */

void
guest_main(const struct boot_info *info)
{
	struct boot_info boot = *info; /* the kernel's page tables do not map *info */

	trap_init();
	cpu_init(boot.cpuids);
	mem_init(boot.ram);
	irq_init();
	console_init();
	sti();
	smp_init();
	printf("\nNestling guest: %lu KiB of RAM, %s\n", boot.ram / 1024,
	       in_nestling() ? "in a VM of Nestling" : "not in a VM of Nestling");
	if (smp_count() > 1)
		printf("%u CPUs.\n", smp_count());
	printf("Type `help` for the commands.\n");
	shell();
}

void
power_off(uint8_t status)
{
	cli();
	console_flush();
	outb(POWER_PORT, status);
	printf("guest: powered off with status %u, but nothing listens at port %02xh: halted\n",
	       status, POWER_PORT);
	console_flush();
	for (;;)
		__asm__ volatile("cli; hlt");
}
