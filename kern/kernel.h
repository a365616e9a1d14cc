#ifndef NESTLING_KERN_KERNEL_H
#define NESTLING_KERN_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inc/syscall.h"
#include "kern/dev/acpi.h"
#include "kern/dev/timer.h"
#include "lib/assert.h"

/* Boot information, gathered from the Multiboot2 tags (kern/multiboot.c). */
enum { BOOT_MMAP_MAX = 64 };
struct boot_info {
	char cmdline[CMDLINE_MAX];
	struct {
		uint64_t base, size;
		bool usable;
	} mmap[BOOT_MMAP_MAX];
	unsigned int mmap_count;
	uint64_t initrd_pa, initrd_size;
	uint8_t rsdp[ACPI_RSDP_SIZE]; /* ACPI's, if the loader gave it */
	uint64_t rsdp_size;
};
extern struct boot_info boot_info;

/*
 * Ends the emulator.  Prints the verdict line "nestling: poweroff, status N",
 * which the launcher reads; 0 is a clean run.
 */
_Noreturn void poweroff(int status);

/* The kernel monitor K>: returns when the user says `continue`. */
struct trapframe;
void kmonitor(struct trapframe *tf);

/* Symbol names (kern/ksyms.c): the name of the function that holds addr, or NULL. */
const char *ksym_find(uint64_t addr, uint64_t *offset);
/* Prints rip and the return addresses up the chain of frame pointers, which may be garbage. */
void backtrace(uint64_t rbp, uint64_t rip);
/* A panic about the host's own trap: message, registers and the backtrace from there. */
_Noreturn void panic_trap(struct trapframe *tf, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

/* Files of the initrd, unpacked to whole pages at boot (kern/initrd.c). */
struct page;
struct file {
	char name[FILE_NAME_MAX];
	uint64_t size;
	struct page **pages; /* size rounded up; the last one's tail is zero */
};
void initrd_init(void);
const struct file *initrd_find(const char *name);
const struct file *initrd_at(unsigned int index); /* NULL past the last */
/* Copies from a file; bytes past its end are not touched.  Returns bytes copied. */
size_t file_read(const struct file *f, uint64_t off, void *buf, size_t size);

struct env;
/* The system call that e's registers ask for: its result. */
int64_t syscall(struct env *e);

#endif
