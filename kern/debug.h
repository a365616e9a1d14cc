#ifndef NESTLING_KERN_DEBUG_H
#define NESTLING_KERN_DEBUG_H

#include <stdint.h>

/* Returns the name of the function that holds addr, and how far in; NULL: none (kern/ksyms.c). */
const char *ksym_find(uint64_t addr, uint64_t *offset);
/* Prints rip, then the return addresses up the chain of frame pointers.  The chain may be garbage.
 */
void backtrace(uint64_t rbp, uint64_t rip);

#endif
