#ifndef NESTLING_USER_AUDIT_AUDIT_H
#define NESTLING_USER_AUDIT_AUDIT_H

#include "lib/user/user.h"

/* Exit statuses of the program. */
enum { STATUS_CLEAN, STATUS_VIOLATIONS, STATUS_ERROR };

/* plant.c: breaks each rule of that name, or all, and shows what the audit says; a status. */
int plant(const char *name, enum vm_paging paging);
void plant_list(void);

/* guest.c: something to plant violations in.  A 2 MiB frame, and a VM whose guest has halted, where
 * there are VMs; and a child with another VM that shares memory with it.  Where there is no nested
 * paging, shadow paging is meant.  The child's id, or < 0.
 */
long guest_create(enum vm_paging paging);

#endif
