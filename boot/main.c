#include "boot/loader.h"

#include "inc/x86.h"

#define CPUID_EXTENDED_MAX 0x80000000
#define CPUID_EXTENDED     0x80000001
#define EDX_LONG_MODE      (1u << 29)

void loader_main(uint32_t drive);

static void
check_long_mode(void)
{
	if (!cpuid_present() || cpuid(CPUID_EXTENDED_MAX, 0).eax < CPUID_EXTENDED ||
	    !(cpuid(CPUID_EXTENDED, 0).edx & EDX_LONG_MODE))
		fail("this CPU has no long mode (CPUID 80000001h, EDX bit 29): a 64-bit CPU is "
		     "needed");
}

static const struct image_header *
read_header(void)
{
	static struct image_header header;
	const struct image_extent place = {.lba = IMAGE_HEADER_LBA, .size = sizeof(header)};

	disk_read(&place, 0, &header, sizeof(header));
	if (header.magic != IMAGE_MAGIC)
		fail("bad image header: magic is %x, expected %x", header.magic, IMAGE_MAGIC);
	if (header.version != IMAGE_VERSION)
		fail("bad image header: version is %u, expected %u", header.version, IMAGE_VERSION);
	if (header.cmdline[IMAGE_CMDLINE_MAX - 1])
		fail("bad image header: the command line has no end in %u bytes",
		     IMAGE_CMDLINE_MAX);
	disk_check("kernel", &header.kernel);
	disk_check("initrd", &header.initrd);
	return &header;
}

static uint32_t
load_initrd(const struct image_extent *file, uint64_t above)
{
	uint32_t start = memory_place(above, file->size);

	if (!start)
		fail("no memory for the initrd: %u bytes, above %X and below 4 GiB", file->size,
		     above);
	disk_read(file, 0, (void *)start, file->size);
	return start;
}

void
loader_main(uint32_t drive)
{
	const struct image_header *header;
	struct kernel kernel;
	uint32_t initrd;

	check_long_mode();
	a20_enable();
	memory_init();
	disk_init(drive);
	header = read_header();
	kernel_load(&header->kernel, &kernel);
	initrd = load_initrd(&header->initrd, kernel.end);
	kernel_start(kernel.entry, info_build(header->cmdline, initrd, header->initrd.size));
}
