#ifndef NESTLING_KERN_BOOT_INITRD_H
#define NESTLING_KERN_BOOT_INITRD_H

#include <stddef.h>
#include <stdint.h>

#include "inc/syscall.h"

/* The files of the initrd.  Boot unpacks them into whole pages. */
struct page;
struct file {
	char name[FILE_NAME_MAX];
	uint64_t size;       /* bytes */
	struct page **pages; /* hold size bytes; the rest of the last page is zero */
};
void initrd_init(void);
/* Returns the file of this name, or NULL. */
const struct file *initrd_find(const char *name);
/* Returns each file in turn, from index 0; NULL past the last. */
const struct file *initrd_at(unsigned int index);
/* Copies from a file, up to its end.  Returns how many bytes it copied. */
size_t file_read(const struct file *f, uint64_t off, void *buf, size_t size);

#endif
