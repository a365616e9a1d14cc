#include "boot/loader.h"

#include "inc/x86.h"
#include "lib/string.h"

/* Builds the Multiboot2 information, which tells the kernel about the machine and the initrd. */

static const char module_name[] = "initrd";

enum {
	INFO_MAX = sizeof(struct mb2_info) + sizeof(struct mb2_tag_string) + IMAGE_CMDLINE_MAX +
	           sizeof(struct mb2_tag_module) + sizeof(module_name) +
	           sizeof(struct mb2_tag_mmap) + sizeof(memory_map) + sizeof(struct mb2_tag) +
	           4 * MB2_TAG_ALIGN
};

static uint8_t info[INFO_MAX] __attribute__((aligned(MB2_TAG_ALIGN)));
static uint32_t info_used = sizeof(struct mb2_info);

/* Appends a tag of `size` bytes; the caller fills in the rest. */
static void *
add_tag(uint32_t type, uint32_t size)
{
	struct mb2_tag *tag = (struct mb2_tag *)(info + info_used);

	*tag = (struct mb2_tag){.type = type, .size = size};
	info_used += ROUND_UP(size, MB2_TAG_ALIGN);
	return tag;
}

const struct mb2_info *
info_build(const char *cmdline, uint32_t initrd, uint32_t initrd_size)
{
	struct mb2_tag_string *string;
	struct mb2_tag_module *module;
	struct mb2_tag_mmap *mmap;
	uint32_t length = strlen(cmdline) + 1;
	uint32_t map_size = memory_map_count * sizeof(memory_map[0]);

	string = add_tag(MB2_TAG_CMDLINE, sizeof(*string) + length);
	memcpy(string->string, cmdline, length);

	module = add_tag(MB2_TAG_MODULE, sizeof(*module) + sizeof(module_name));
	module->start = initrd;
	module->end = initrd + initrd_size;
	memcpy(module->string, module_name, sizeof(module_name));

	mmap = add_tag(MB2_TAG_MMAP, sizeof(*mmap) + map_size);
	mmap->entry_size = sizeof(memory_map[0]);
	memcpy(mmap->entries, memory_map, map_size);

	add_tag(MB2_TAG_END, sizeof(struct mb2_tag));
	((struct mb2_info *)info)->total_size = info_used;
	return (struct mb2_info *)info;
}
