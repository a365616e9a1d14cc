#include "lib/user/user.h"

#include "inc/mmu.h"
#include "lib/user/parse.h"

/*
 * Many small VMs: at once, until memory runs out, or one after the other.  The
 * memory that is free afterwards must be what it was before.
 */

#define OPTION "--paging="
enum { STATUS_ERROR = 1, STATUS_USAGE = 2 };
enum { BEATS = 4, POLL = 10000 /* microseconds */, PATIENCE = 60 * 1000000 / POLL };

/* A VM of the crowd: its monitor, and the CPUID exits that it had when we last looked. */
static struct {
	uint32_t monitor, vm; /* 0: not known yet */
	uint64_t beats;
} crowd[VM_MAX];
static unsigned int started;
static char *paging; /* the option that they all get, or NULL */

static long
start(char *image)
{
	char *argv[] = {"vm", image, "-m", "1M", "-q", paging};
	long id = sys_spawn(argv[0], argv, paging ? 6 : 5);

	if (id > 0) {
		crowd[started].vm = 0;
		crowd[started++].monitor = id;
	}
	return id;
}

/* The VM that the monitor drives, or 0: there is none yet.  The first try is a guess, and mostly
 * right. */
static uint32_t
vm_of(uint32_t monitor, unsigned int guess)
{
	struct vm_info info;

	if (sys_vm_info(guess, &info) == 0 && info.owner == monitor)
		return info.id;
	for (unsigned int i = 0; sys_vm_info(i, &info) == 0; i++)
		if (info.owner == monitor)
			return info.id;
	return 0;
}

/* The CPUID exits of a VM of the crowd. */
static uint64_t
beats_of(unsigned int i)
{
	static struct vm_stats stats;

	if (!crowd[i].vm)
		crowd[i].vm = vm_of(crowd[i].monitor, i);
	if (!crowd[i].vm || sys_vm_stats(crowd[i].vm, VM_ALL_VCPUS, &stats) < 0)
		return 0;
	return stats.count[HV_EXIT_CPUID];
}

static bool
has_ended(uint32_t process)
{
	struct env_info info;

	for (unsigned int i = 0; sys_env_info(i, &info) == 0; i++)
		if (info.id == process)
			return info.status == ENV_ZOMBIE;
	return true;
}

/* How many VMs of the crowd have had `more` exits since `beats`, after waiting for all. */
static unsigned int
wait_for_beats(uint64_t more)
{
	unsigned int n = 0;

	for (unsigned int turn = 0; n < started && turn < PATIENCE; turn++) {
		if (beats_of(n) >= crowd[n].beats + more)
			n++;
		else
			sys_env_sleep(POLL);
	}
	return n;
}

static void
print_costs(void)
{
	uint64_t most = 0, sum = 0;
	unsigned int n = 0;
	struct vm_info info;

	for (; sys_vm_info(n, &info) == 0; n++) {
		sum += info.overhead;
		most = info.overhead > most ? info.overhead : most;
	}
	if (n)
		printf("crowd: host memory beyond the RAM: %lu KiB a VM, at most %lu KiB\n",
		       sum * (PAGE_SIZE / 1024) / n, most * (PAGE_SIZE / 1024));
}

static void
end_all(void)
{
	for (unsigned int i = 0; i < started; i++)
		sys_env_kill(crowd[i].monitor);
	for (unsigned int i = 0; i < started; i++)
		sys_env_wait(crowd[i].monitor);
}

/* COUNT VMs at once, and a command beside them. */
static int
run_many(unsigned int count, char *image, char *commands)
{
	char *sh[] = {"sh", "-c", commands};
	unsigned int live, answer;
	long id = 0;

	while (started < count && (id = start(image)) > 0)
		continue;
	if (id < 0)
		printf("crowd: VM %u: %s\n", started + 1, error_text(id));
	live = wait_for_beats(1);
	for (unsigned int i = 0; i < started; i++)
		crowd[i].beats = beats_of(i);
	answer = strcmp(image, "t/idle") ? wait_for_beats(BEATS) : live;
	printf("crowd: %u VMs, %u live, %u answer\n", started, live, answer);
	print_costs();
	id = commands ? sys_spawn(sh[0], sh, 3) : 0;
	if (id > 0)
		id = sys_env_wait(id);
	end_all();
	return live == count && answer == count && !id ? 0 : STATUS_ERROR;
}

/* One VM after the other, until there is no memory for one more. */
static int
run_until_full(char *image)
{
	unsigned int live = 0;
	long id = 0;

	while (started < VM_MAX && (id = start(image)) > 0) {
		for (int i = 0; i < PATIENCE && !beats_of(live) && !has_ended(id); i++)
			sys_env_sleep(POLL);
		if (has_ended(id))
			break;
		live++;
	}
	if (id < 0)
		printf("crowd: VM %u: %s\n", live + 1, error_text(id));
	printf("crowd: %u VMs live; %s\n", live,
	       live < VM_MAX ? "there is no memory for one more" : "there can be no more of them");
	print_costs();
	end_all();
	return live ? 0 : STATUS_ERROR;
}

/* COUNT VMs, one after the other; each guest boots and powers off. */
static int
run_cycles(unsigned int count, char *image)
{
	unsigned int good = 0;
	long id;

	for (unsigned int i = 0; i < count; i++) {
		started = 0;
		id = start(image);
		good += id > 0 && sys_env_wait(id) == 0;
	}
	printf("crowd: %u VMs created, booted and destroyed; %u ended well\n", count, good);
	return good == count ? 0 : STATUS_ERROR;
}

static int
usage(void)
{
	printf("usage: crowd COUNT IMAGE [COMMANDS]    COUNT VMs at once, at most %d\n"
	       "       crowd full IMAGE                VMs until memory runs out\n"
	       "       crowd cycle COUNT IMAGE         COUNT VMs, one after the other\n"
	       "       --paging=P at the end: the VMs get it\n",
	       VM_MAX);
	return STATUS_USAGE;
}

static int
run(int argc, char **argv)
{
	uint64_t count;

	if (argc > 3 && !strncmp(argv[argc - 1], OPTION, sizeof(OPTION) - 1))
		paging = argv[--argc];
	if (argc == 3 && !strcmp(argv[1], "full"))
		return run_until_full(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "cycle") && parse_number(argv[2], UINT32_MAX, &count))
		return run_cycles(count, argv[3]);
	if ((argc == 3 || argc == 4) && parse_number(argv[1], VM_MAX, &count))
		return run_many(count, argv[2], argv[3]);
	return usage();
}

int
main(int argc, char **argv)
{
	struct sys_info before, after;
	int status;
	uint64_t had, has;

	sys_sys_info(&before);
	status = run(argc, argv);
	if (status == STATUS_USAGE)
		return status;
	sys_sys_info(&after);
	had = before.pages_free - before.pages_reserved;
	has = after.pages_free - after.pages_reserved;
	printf("crowd: %lu pages are neither used nor promised, %s\n", has,
	       has == had ? "as before" : "not as before");
	return has == had ? status : STATUS_ERROR;
}
