#ifndef NESTLING_TESTS_UNIT_GUESTTABLES_H
#define NESTLING_TESTS_UNIT_GUESTTABLES_H

#include <stdint.h>

/* Makes page tables of a guest, in its RAM. */

/* The guest's RAM, from gpa 0 on, which the test defines; and the gpa of the first table. */
extern uint8_t ram[];
enum { TABLES = 0x10000 };

/* Returns entry n of the table at a gpa. */
uint64_t *entry64(uint64_t table, unsigned int index);
uint32_t *entry32(uint64_t table, unsigned int index);

/* Writes a leaf of that level for gva.  The tables above it lie one behind the other, from TABLES
 * on. */
void map_long(uint64_t gva, uint64_t leaf, int leaf_level);

#endif
