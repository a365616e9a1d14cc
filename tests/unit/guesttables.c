#include "tests/unit/guesttables.h"

#include "inc/mmu.h"
#include "kern/mem/pt.h"

uint64_t *
entry64(uint64_t table, unsigned int index)
{
	return (uint64_t *)&ram[table + 8 * index];
}

uint32_t *
entry32(uint64_t table, unsigned int index)
{
	return (uint32_t *)&ram[table + 4 * index];
}

void
map_long(uint64_t gva, uint64_t leaf, int leaf_level)
{
	uint64_t table = TABLES;

	for (int level = 4; level > leaf_level; level--) {
		*entry64(table, pt_index(gva, level)) = (table + PAGE_SIZE) | PTE_P | PTE_W | PTE_U;
		table += PAGE_SIZE;
	}
	*entry64(table, pt_index(gva, leaf_level)) = leaf;
}
