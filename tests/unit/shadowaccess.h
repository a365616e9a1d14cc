#ifndef NESTLING_TESTS_UNIT_SHADOWACCESS_H
#define NESTLING_TESTS_UNIT_SHADOWACCESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Accesses by the guest of shadowvm.h: through the shadow, as a processor would walk it, and by a
 * plain walk of the guest's own tables.  access is VM_ACCESS_*.
 */

/* The gpa that the shadow leads to as it is; -1: a page fault with *error. */
int64_t walk_shadow(uint64_t gva, uint32_t access, bool user, uint32_t *error);

/* The gpa that an access reaches after what faults it takes, or what else came of it (see got). */
enum { FAULTED = -1, DEVICE = -2, TABLE_OUTSIDE = -3 };
int64_t guest_access(uint64_t gva, uint32_t access, bool user);

/* An access must have the result that the guest's tables say, and leave their bits behind. */
void compare(uint64_t gva, uint32_t access, bool user);

/* No shadow lets the guest write to what is watched.  most_watched: the most tables seen so. */
void check_watched(void);
extern unsigned int most_watched;

#endif
