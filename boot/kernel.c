#include "boot/loader.h"

#include "inc/elf.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * The kernel's file: a 64-bit ELF executable with a Multiboot2 header that
 * gives the 32-bit entry address.  ELF and program headers and the Multiboot2
 * header lie in the file's first HEAD_BUFFER_SIZE bytes.
 */
enum { SEGMENTS_MAX = 16 };

static const uint8_t *const head = (const uint8_t *)HEAD_BUFFER;
static uint32_t head_size; /* bytes of the file in `head` */

static const struct elf_header *
elf_check(void)
{
	const struct elf_header *elf = (const struct elf_header *)head;
	const struct {
		const char *name;
		uint32_t found, expected;
	} fields[] = {
	        {"magic", elf->magic, ELF_MAGIC},
	        {"EI_CLASS", elf->class, ELF_CLASS64},
	        {"EI_DATA", elf->data, ELF_DATA_LE},
	        {"e_type", elf->type, ELF_TYPE_EXEC},
	        {"e_machine", elf->machine, ELF_MACHINE_X86_64},
	        {"e_phentsize", elf->phentsize, sizeof(struct elf_segment)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].found != fields[i].expected)
			fail("bad kernel: ELF %s is %x, expected %x", fields[i].name,
			     fields[i].found, fields[i].expected);
	if (!elf->phnum || elf->phnum > SEGMENTS_MAX)
		fail("bad kernel: ELF e_phnum is %u, expected 1 to %u", elf->phnum, SEGMENTS_MAX);
	if (elf->phoff > head_size ||
	    elf->phnum * sizeof(struct elf_segment) > head_size - elf->phoff)
		fail("bad kernel: ELF e_phoff is %X, program headers do not lie in the first %u "
		     "bytes",
		     elf->phoff, head_size);
	return elf;
}

static const struct mb2_header *
mb2_find(void)
{
	for (uint32_t at = 0; at + sizeof(struct mb2_header) <= head_size; at += MB2_HEADER_ALIGN) {
		const struct mb2_header *h = (const struct mb2_header *)(head + at);
		if (h->magic != MB2_HEADER_MAGIC)
			continue;
		if (h->magic + h->architecture + h->length + h->checksum)
			continue;
		if (h->architecture != MB2_ARCH_I386)
			fail("bad kernel: Multiboot2 architecture is %u, expected %u",
			     h->architecture, MB2_ARCH_I386);
		if (h->length < sizeof(*h) || h->length > head_size - at)
			fail("bad kernel: Multiboot2 header length is %u", h->length);
		return h;
	}
	fail("bad kernel: no Multiboot2 header in the first %u bytes", head_size);
}

/* The kernel may only ask for information that info.c gives. */
static void
mb2_check_request(const struct mb2_header_tag *tag)
{
	const uint32_t *types = (const uint32_t *)(tag + 1);

	for (uint32_t i = 0; i < (tag->size - sizeof(*tag)) / sizeof(*types); i++)
		if (types[i] != MB2_TAG_CMDLINE && types[i] != MB2_TAG_MODULE &&
		    types[i] != MB2_TAG_MMAP)
			fail("bad kernel: it requires Multiboot2 information %u, which this loader "
			     "has not",
			     types[i]);
}

/*
 * Returns the entry address, from the header's tags.  Checks each tag's size before it uses the
 * tag.
 */
static uint32_t
mb2_entry(const struct mb2_header *h)
{
	const uint8_t *end = (const uint8_t *)h + h->length;
	const struct mb2_header_tag *tag = (const struct mb2_header_tag *)(h + 1);
	uint32_t entry = 0;

	for (;;) {
		uint32_t left = end - (const uint8_t *)tag;
		if (left < sizeof(*tag) || tag->size < sizeof(*tag) || tag->size > left)
			fail("bad kernel: Multiboot2 header tag at %u runs over the header's end",
			     (const uint8_t *)tag - head);
		if (tag->type == MB2_HEADER_END)
			break;
		if (tag->type == MB2_HEADER_ENTRY && tag->size >= sizeof(struct mb2_header_entry))
			entry = ((const struct mb2_header_entry *)tag)->entry;
		else if (tag->flags & MB2_HEADER_OPTIONAL || tag->type == MB2_HEADER_MODULE_ALIGN)
			;
		else if (tag->type == MB2_HEADER_INFO_REQUEST)
			mb2_check_request(tag);
		else
			fail("bad kernel: it requires Multiboot2 header tag %u, which this loader "
			     "does not know",
			     tag->type);
		if (ROUND_UP(tag->size, MB2_HEADER_ALIGN) > left)
			fail("bad kernel: Multiboot2 header has no end tag");
		tag = (const void *)((const uint8_t *)tag + ROUND_UP(tag->size, MB2_HEADER_ALIGN));
	}
	if (!entry)
		fail("bad kernel: Multiboot2 header has no entry address tag");
	return entry;
}

static void
segment_load(const struct image_extent *file, uint32_t index, const struct elf_segment *s)
{
	if (s->filesz > s->memsz)
		fail("bad kernel: ELF segment %u: p_filesz %X is larger than p_memsz %X", index,
		     s->filesz, s->memsz);
	if (s->offset > file->size || s->filesz > file->size - s->offset)
		fail("bad kernel: truncated: ELF segment %u needs %X bytes at offset %X, the file "
		     "has %u",
		     index, s->filesz, s->offset, file->size);
	if (!memory_is_ram(s->paddr, s->memsz) || s->paddr + s->memsz > 1ull << 32)
		fail("no memory for the kernel: ELF segment %u needs %X bytes of RAM at %X, from 1 "
		     "MiB to 4 GiB",
		     index, s->memsz, s->paddr);
	disk_read(file, s->offset, (void *)(uint32_t)s->paddr, s->filesz);
	memset((void *)(uint32_t)(s->paddr + s->filesz), 0, s->memsz - s->filesz);
}

void
kernel_load(const struct image_extent *file, struct kernel *k)
{
	const struct elf_header *elf;
	const struct elf_segment *s;
	bool entry_loaded = false;

	head_size = file->size < HEAD_BUFFER_SIZE ? file->size : HEAD_BUFFER_SIZE;
	disk_read(file, 0, (void *)HEAD_BUFFER, head_size);
	if (head_size < sizeof(*elf))
		fail("bad kernel: truncated: %u bytes, an ELF header has %u", head_size,
		     sizeof(*elf));
	elf = elf_check();
	k->entry = mb2_entry(mb2_find());
	k->end = 0;
	s = (const struct elf_segment *)(head + elf->phoff);
	for (uint32_t i = 0; i < elf->phnum; i++, s++) {
		if (s->type != ELF_PT_LOAD || !s->memsz)
			continue;
		segment_load(file, i, s);
		if (s->paddr + s->memsz > k->end)
			k->end = s->paddr + s->memsz;
		if (s->flags & ELF_PF_X && k->entry >= s->paddr && k->entry - s->paddr < s->filesz)
			entry_loaded = true;
	}
	if (!entry_loaded)
		fail("bad kernel: entry address %x is in no executable ELF segment", k->entry);
}
