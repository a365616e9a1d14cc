#include "user/vm/machine.h"

#include "inc/mmu.h"
#include "lib/parse.h"

#define RAM_DEFAULT 0x4000000ull

static bool
usage(void)
{
	printf("usage: " VM_NAME " IMAGE [-m MEM] [-c COMMANDS] [-q]\n"
	       "  IMAGE        the disk that the guest boots from, such as `guest`\n"
	       "  -m MEM       its memory, with K, M or G; 64M if not given\n"
	       "  -c COMMANDS  type COMMANDS and `poweroff` to it\n"
	       "  -q           print nothing but what the guest prints, and errors\n");
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

/* The value of the option at *i, which moves on to it. */
static const char *
option_value(int argc, char **argv, int *i)
{
	if (*i + 1 < argc)
		return argv[++*i];
	printf(VM_NAME ": %s needs a value\n", argv[*i]);
	return NULL;
}

static bool
parse_option(struct options *o, int argc, char **argv, int *i)
{
	const char *value;

	switch (argv[*i][1]) {
	case 'q':
		o->quiet = true;
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
	*o = (struct options){.ram = RAM_DEFAULT};
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (arg[0] == '-') {
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
	return o->image || usage();
}
