#ifndef NESTLING_LIB_USER_EXITTABLE_H
#define NESTLING_LIB_USER_EXITTABLE_H

#include "inc/vm.h"

/* Prints the table of exits of a VM: one row per kind that happened, by reason, and a total. */
void exit_table_print(const struct vm_stats *stats);

#endif
