#include "lib/user/user.h"

#include "inc/mmu.h"

static void
print_row(const char *name, uint64_t frames, uint64_t frame_size)
{
	printf("%-22s %10lu %10lu\n", name, frames, frames * (frame_size / 1024));
}

int
main(int argc, char **argv)
{
	struct sys_info info;

	(void)argc;
	(void)argv;
	sys_sys_info(&info);
	printf("%-22s %10s %10s\n", "4 KiB frames", "frames", "KiB");
	print_row("  total", info.pages_total, PAGE_SIZE);
	print_row("  used", info.pages_total - info.pages_free, PAGE_SIZE);
	print_row("  free", info.pages_free, PAGE_SIZE);
	print_row("    of these promised", info.pages_reserved, PAGE_SIZE);
	print_row("free 2 MiB frames", info.pages_large, LARGE_PAGE_SIZE);
	return 0;
}
