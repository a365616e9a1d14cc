#ifndef NESTLING_TESTS_UNIT_SHADOWACCESS_H
#define NESTLING_TESTS_UNIT_SHADOWACCESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Accesses by the guest of shadowvm.h: through the shadow, as a processor would walk it, and by a
 * plain walk of the guest's own tables.  access is VM_ACCESS_*.
 */

/* Returns the gpa that the shadow leads to as it is now; -1: a page fault with *error. */
int64_t walk_shadow(uint64_t gva, uint32_t access, bool user, uint32_t *error);

/* Returns the gpa that an access reaches, after as many shadow faults as it takes, or its other
 * result (see got). */
enum { FAULTED = -1, DEVICE = -2, TABLE_OUTSIDE = -3 };
int64_t guest_access(uint64_t gva, uint32_t access, bool user);

/* Checks that an access has the result that the guest's tables say, and sets their bits. */
void compare(uint64_t gva, uint32_t access, bool user);

/* Checks that no shadow entry lets the guest write to a table that is watched.  most_watched: the
 * most tables that were watched at a time. */
void check_watched(void);
extern unsigned int most_watched;

#endif
