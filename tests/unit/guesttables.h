#ifndef NESTLING_TESTS_UNIT_GUESTTABLES_H
#define NESTLING_TESTS_UNIT_GUESTTABLES_H

#include <stdint.h>

/* Page tables of a guest, in its RAM. */

/* The RAM, which is the test's, from gpa 0 on; and the gpa of the first table. */
extern uint8_t ram[];
enum { TABLES = 0x10000 };

/* An entry of the table at a gpa. */
uint64_t *entry64(uint64_t table, unsigned int index);
uint32_t *entry32(uint64_t table, unsigned int index);

/* Enters a leaf of that level for gva, below a chain of tables side by side that begins at TABLES.
 */
void map_long(uint64_t gva, uint64_t leaf, int leaf_level);

#endif
