#include "user/vm/machine.h"

#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/user/parse.h"

#define RAM_DEFAULT 0x4000000ull

enum { LEAVES_DEFAULT = 2, LEAVES_MAX = 3 };

static bool
usage(void)
{
	printf("usage: " VM_NAME " IMAGE [-m MEM] [--cpus=N] [-p] [--kernel] [-c COMMANDS] [-q]\n"
	       "  IMAGE        the disk that the guest boots from, such as `guest`\n"
	       "  -m MEM       its memory, with K, M or G; 64M if not given\n"
	       "  --cpus=N     vCPUs, 1 to 8; with more than one, each has a local APIC; 1 if not "
	       "given\n"
	       "  -p           take all of it at the start, not page by page when it is used\n"
	       "  --kernel     enter the kernel of IMAGE, or IMAGE if it is an ELF file, in 64-bit "
	       "mode\n"
	       "               with paging on, without boot sector and loader\n"
	       "  --leaves=V   profile of the statistics leaves: v1, v2 or v3; v2 if not given\n"
	       "  --paging=P   nested (EPT or NPT), shadow, or shadow,nocache, which makes all "
	       "shadows\n"
	       "               anew when the guest loads CR3; nested if not given, where the CPU "
	       "has it\n"
	       "  --trace=N    exits that the flight recorder keeps; 256 if not given\n"
	       "  -c COMMANDS  type COMMANDS and `poweroff` to it\n"
	       "  -q           print nothing but what the guest prints, and errors\n"
	       "  --break BREAK[@RUN]  have the vCPU's first entry refused, or that of run number "
	       "RUN;\n"
	       "               `--break list` shows the breaks\n"
	       "  --check      check the rules of entries before each of them\n");
	return false;
}

static bool
parse_ram(struct options *o, const char *text)
{
	if (!parse_size(text, &o->ram)) {
		printf(VM_NAME
		       ": -m %s: not a size; give a whole number with K, M or G, such as 64M\n",
		       text);
	} else if (o->ram % PAGE_SIZE) {
		printf(VM_NAME ": -m %s: %lu bytes are not a multiple of 4K\n", text, o->ram);
	} else if (o->ram < VM_RAM_MIN) {
		printf(VM_NAME ": -m %s: too little memory; a VM needs %lluM or more\n", text,
		       VM_RAM_MIN >> 20);
	} else {
		return true;
	}
	return false;
}

static bool
parse_leaves(struct options *o, char *text)
{
	uint64_t profile;

	if (text[0] == 'v' && parse_number(text + 1, LEAVES_MAX, &profile) && profile) {
		o->leaves = profile;
		return true;
	}
	printf(VM_NAME ": --leaves=%s: no such profile; expected v1, v2 or v3\n", text);
	return false;
}

static bool
parse_paging(struct options *o, char *text)
{
	static const char *const names[VM_PAGINGS] = {[VM_PAGING_NESTED] = "nested",
	                                              [VM_PAGING_SHADOW] = "shadow",
	                                              [VM_PAGING_SHADOW_NOCACHE] =
	                                                      "shadow,nocache"};

	for (unsigned int i = 0; i < VM_PAGINGS; i++) {
		if (strcmp(text, names[i]))
			continue;
		o->paging = i;
		return true;
	}
	printf(VM_NAME ": --paging=%s: no such kind; expected nested, shadow or "
	               "shadow,nocache\n",
	       text);
	return false;
}

static bool
parse_trace(struct options *o, char *text)
{
	uint64_t count;

	if (parse_number(text, VM_TRACE_MAX, &count) && count) {
		o->trace = count;
		return true;
	}
	printf(VM_NAME ": --trace=%s: expected a number of exits from 1 to %d\n", text,
	       VM_TRACE_MAX);
	return false;
}

static bool
parse_cpus(struct options *o, char *text)
{
	uint64_t count;

	if (parse_number(text, VM_VCPUS_MAX, &count) && count) {
		o->cpus = count;
		return true;
	}
	printf(VM_NAME ": --cpus=%s: expected a number of vCPUs from 1 to %d\n", text,
	       VM_VCPUS_MAX);
	return false;
}

/* BREAK, or BREAK@RUN.  The argument is cut at the @. */
static bool
parse_break(struct options *o, char *text)
{
	char *at = strchr(text, '@');

	o->break_run = 1;
	o->break_name = text;
	if (!at)
		return true;
	*at = '\0';
	if (parse_number(at + 1, UINT64_MAX, &o->break_run) && o->break_run)
		return true;
	printf(VM_NAME ": --break=%s@%s: expected the number of a run, 1 or more\n", text, at + 1);
	return false;
}

/* The shell's own option: see lib/user/log.h and user/vm/job.c. */
static bool
parse_job(struct options *o, char *text)
{
	o->job = !strcmp(text, "front") ? JOB_FRONT : !strcmp(text, "back") ? JOB_BACK : JOB_NONE;
	if (o->job != JOB_NONE)
		return true;
	printf(VM_NAME ": --job=%s: expected front or back\n", text);
	return false;
}

static bool
parse_kernel(struct options *o, char *none)
{
	(void)none;
	o->kernel = true;
	return true;
}

static bool
parse_check(struct options *o, char *none)
{
	(void)none;
	o->check = true;
	return true;
}

/* The value of the option at *i, which moves on to it. */
static char *
option_value(int argc, char **argv, int *i)
{
	if (*i + 1 < argc)
		return argv[++*i];
	printf(VM_NAME ": %s needs a value\n", argv[*i]);
	return NULL;
}

/* --name=value, or --name value; --name where there is none. */
static bool
parse_long(struct options *o, int argc, char **argv, int *i)
{
	static const struct {
		const char *name;
		bool has_value;
		bool (*parse)(struct options *o, char *value);
	} options[] = {
	        {"--cpus", true, parse_cpus},     {"--leaves", true, parse_leaves},
	        {"--trace", true, parse_trace},   {"--break", true, parse_break},
	        {"--check", false, parse_check},  {"--job", true, parse_job},
	        {"--paging", true, parse_paging}, {"--kernel", false, parse_kernel},
	};

	for (size_t n = 0; n < ARRAY_SIZE(options); n++) {
		size_t len = strlen(options[n].name);
		char *value = argv[*i] + len;

		if (strncmp(argv[*i], options[n].name, len))
			continue;
		if (*value == '=' && options[n].has_value)
			return options[n].parse(o, value + 1);
		if (*value)
			break;
		if (options[n].has_value)
			value = option_value(argc, argv, i);
		return value && options[n].parse(o, value);
	}
	return usage();
}

static bool
parse_option(struct options *o, int argc, char **argv, int *i)
{
	const char *value;

	switch (argv[*i][1]) {
	case 'q':
		o->quiet = true;
		return true;
	case 'p':
		o->populate = true;
		return true;
	case 'm':
		value = option_value(argc, argv, i);
		return value && parse_ram(o, value);
	case 'c':
		o->commands = option_value(argc, argv, i);
		return o->commands;
	}
	return usage();
}

bool
options_parse(struct options *o, int argc, char **argv)
{
	*o = (struct options){
	        .ram = RAM_DEFAULT, .leaves = LEAVES_DEFAULT, .cpus = 1, .paging = VM_PAGINGS};
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (!strncmp(arg, "--", 2)) {
			if (!parse_long(o, argc, argv, &i))
				return false;
		} else if (arg[0] == '-') {
			if (strlen(arg) != 2)
				return usage();
			if (!parse_option(o, argc, argv, &i))
				return false;
		} else if (o->image) {
			return usage();
		} else {
			o->image = arg;
		}
	}
	return o->image || (o->break_name && !strcmp(o->break_name, BREAK_LIST)) || usage();
}
