#include "user/exits/exits.h"

#include "lib/user/parse.h"

static bool
usage(void)
{
	printf("usage: exits [VM] [--vcpu N] [--top] [--tsv]\n"
	       "       exits [VM] --since-last [--top] [--tsv]\n"
	       "       exits [VM] [--vcpu N] --hist KIND [--tsv]\n"
	       "       exits [VM] [--vcpu N] --by port|msr|leaf|page [--tsv]\n"
	       "       exits [VM] [--vcpu N] --live [--top]\n"
	       "  VM            its number, as `vms` shows it; if not given, the newest one, or "
	       "if\n"
	       "                there is none, the one that ended last\n"
	       "  --vcpu N      of its vCPUs that one only, not all added up\n"
	       "  --top         the dearest exits first, not in the order of their reasons\n"
	       "  --since-last  only what came since `exits` was last asked about this VM\n"
	       "  --hist KIND   the costs of one kind, a name as in the table or a reason\n"
	       "  --by          ports, MSRs, CPUID leaves or guest-physical pages\n"
	       "  --live        the last second's exits, again and again until a key is pressed\n"
	       "  --tsv         columns separated by tabs, for programs\n");
	return false;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool
same_name(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return !*a && !*b;
}

static bool
parse_kind(struct options *o, const char *text)
{
	uint64_t reason;

	o->view = VIEW_HISTOGRAM;
	o->kind = HV_EXIT_KINDS;
	if (!text)
		return usage();
	if (parse_number(text, UINT16_MAX, &reason))
		o->kind = hv_exit_kind_of(reason);
	else
		for (o->kind = 0; o->kind < HV_EXIT_KINDS; o->kind++)
			if (same_name(text, hv_exit_name(o->kind)))
				break;
	if (o->kind < HV_EXIT_KINDS)
		return true;
	printf("exits: --hist %s: no such kind of exit; give a name or a reason from the table\n",
	       text);
	return false;
}

static bool
parse_by(struct options *o, const char *text)
{
	o->view = VIEW_KEYS;
	if (!text)
		return usage();
	o->by = key_view_find(text);
	if (!o->by)
		printf("exits: --by %s: expected port, msr, leaf or page\n", text);
	return o->by;
}

static bool
parse_vm(struct options *o, const char *text)
{
	uint64_t vm;

	if (o->vm || !parse_number(text, UINT32_MAX, &vm) || vm == 0)
		return usage();
	o->vm = vm;
	return true;
}

static bool
parse_vcpu(struct options *o, const char *text)
{
	uint64_t vcpu;

	if (!text || !parse_number(text, VM_VCPUS_MAX - 1, &vcpu))
		return usage();
	o->vcpu = vcpu;
	return true;
}

static bool
parse_flag(struct options *o, const char *text)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
	        {"--top", &o->top},
	        {"--since-last", &o->since_last},
	        {"--tsv", &o->tsv},
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (!strcmp(text, flags[i].name))
			return *flags[i].flag = true;
	return usage();
}

bool
options_parse(struct options *o, int argc, char **argv)
{
	bool ok = true;

	*o = (struct options){.view = VIEW_TABLE, .vcpu = VM_ALL_VCPUS};
	for (int i = 1; ok && i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;
		enum view before = o->view;

		if (!strcmp(argv[i], "--hist"))
			ok = parse_kind(o, next), i++;
		else if (!strcmp(argv[i], "--by"))
			ok = parse_by(o, next), i++;
		else if (!strcmp(argv[i], "--vcpu"))
			ok = parse_vcpu(o, next), i++;
		else if (!strcmp(argv[i], "--live"))
			o->view = VIEW_LIVE;
		else if (argv[i][0] == '-')
			ok = parse_flag(o, argv[i]);
		else
			ok = parse_vm(o, argv[i]);
		if (ok && before != VIEW_TABLE && o->view != before)
			return usage();
	}
	if (ok && (o->since_last || o->top) && (o->view == VIEW_HISTOGRAM || o->view == VIEW_KEYS))
		return usage();
	if (ok && o->since_last && o->vcpu != VM_ALL_VCPUS)
		return usage();
	if (ok && o->view == VIEW_LIVE && (o->since_last || o->tsv))
		return usage();
	return ok;
}
