#ifndef NESTLING_USER_VM_MACHINE_H
#define NESTLING_USER_VM_MACHINE_H

#include "lib/user/mutex.h"
#include "lib/user/user.h"
#include "lib/vdev/cmos.h"
#include "lib/vdev/hpet.h"
#include "lib/vdev/ide.h"
#include "lib/vdev/lapic.h"
#include "lib/vdev/pic.h"
#include "lib/vdev/pit.h"
#include "lib/vdev/uart.h"
#include "lib/vdev/vdev.h"

/* The monitor of one VM: its devices, its RAM, its terminal, and the loop that runs it. */

#define VM_NAME    "vm" /* in messages */
#define VM_RAM_MIN 0x100000ull

/* Where a PC has its BIOS: nothing is mapped there, so that a call of it is seen. */
#define BIOS_GPA  0xf0000ull
#define BIOS_SIZE 0x10000ull

/* Exit statuses of the program. */
enum { STATUS_OK, STATUS_ERROR, STATUS_USAGE };

/* Who started it: some program, or the shell as a job that has the console or has not. */
enum job { JOB_NONE, JOB_FRONT, JOB_BACK };

struct options {
	const char *image;
	const char *commands; /* typed to the guest; NULL: none */
	uint64_t ram;         /* bytes */
	unsigned int cpus;    /* vCPUs */
	uint32_t leaves;      /* profile of the statistics leaves, 1 to 3 */
	uint32_t paging;      /* enum vm_paging; VM_PAGINGS: the best that the CPU has */
	uint32_t trace;       /* exits that the flight recorder keeps; 0: the kernel's default */
	bool populate;        /* take all of ram before the guest starts */
	bool kernel;          /* of the image, entered without its boot sector and loader */
	bool quiet;
	const char *break_name; /* the break to plant before a run of the vCPU; NULL: none */
	uint64_t break_run;     /* the number of that run, counted from 1 */
	bool check;             /* the rules of VM entries, before each */
	enum job job;
};

#define BREAK_LIST "list"

/* Guest time: nanoseconds since the VM began, from the host's TSC. */
struct clock {
	uint64_t hz;    /* of the TSC */
	uint64_t start; /* TSC */
};

/* What the console sent and the guest's UART has not yet taken. */
struct terminal {
	size_t head, count;
	uint8_t queue[8192];
};

/* The ports of a PC that reset it, and the one that ends the VM with a status. */
enum { CONTROL_PORTS = 5 };

struct machine;

struct control_port {
	uint16_t number;
	const char *name;
	uint8_t value; /* what it reads */
	void (*write)(struct machine *m, uint8_t value);
};

struct control {
	uint8_t kbd_command; /* the command that waits for its data byte; 0: none */
	struct control_line {
		struct machine *machine;
		const struct control_port *port;
	} lines[CONTROL_PORTS];
};

/* A vCPU and the thread that drives it. */
struct driver {
	struct machine *machine;
	unsigned int index;
	struct vm_run *run;
	struct lapic *lapic;   /* NULL: the VM has one vCPU, and no local APIC */
	volatile long created; /* its vCPU's index, or an error */
};

/* The vCPUs' threads; smp.c. */
struct smp {
	unsigned int count;        /* of vCPUs */
	struct mutex lock;         /* of the machine */
	unsigned int stops;        /* smp_stop() without smp_go() */
	volatile uint32_t running; /* threads, but the first one's, that do not stand */
	volatile uint32_t created; /* vCPUs, but the first */
	struct driver driver[VM_VCPUS_MAX];
};

enum run_state { RUN_ON, RUN_RESET, RUN_OFF };

struct machine {
	struct options opts;
	uint32_t vm;
	uint8_t *ram;       /* gpa 0 */
	struct vm_run *run; /* of vCPU 0; those of the others follow */
	enum run_state state;
	int status; /* when RUN_OFF */
	struct clock clock;
	uint64_t runs;       /* of vCPU 0, counted with opts.break_name */
	bool attached;       /* to the console */
	uint32_t parent;     /* of a job: the shell */
	bool paused;         /* until a request, or `continue` at the prompt */
	unsigned int holds;  /* the guest and its clocks stand still, since: */
	uint64_t held_since; /* TSC */
	struct control control;
	struct pic pic;
	struct pit pit;
	struct uart uart;
	struct cmos cmos;
	struct ide ide;
	struct hpet hpet;
	struct smp smp;
	struct lapics lapics;
	struct vdev_bus ports, memory; /* memory: devices at guest-physical addresses */
	/* Last, for most of it is seldom touched, and costs nothing until then. */
	struct terminal term;
};

/* options.c: false after a message, when the arguments make no sense. */
bool options_parse(struct options *o, int argc, char **argv);

/* machine.c: the VM and its devices.  machine_create wants zeroed memory; it says what is wrong and
 * returns an exit status. */
int machine_create(struct machine *m, const struct options *o);
void machine_reset(struct machine *m);
void machine_off(struct machine *m, int status);
void machine_restart(struct machine *m); /* resets it soon, unless it is off */
/* Guest time; arg: the struct clock. */
uint64_t machine_time(void *arg);
/* Between them, the guest and its clocks stand still: the devices' and its TSC.  They nest. */
void machine_hold(struct machine *m);
void machine_release(struct machine *m);

/* job.c: as a job, takes part in the shell's bookkeeping; then what is printed may go to a log. */
void job_join(struct machine *m);
/* Gives the console back to the shell; false, after a message, when that is not possible. */
bool job_detach(struct machine *m);
/* Does what the shell asked for; returns when the guest may run, or the machine's state changes. */
void job_requests(struct machine *m);

/* control.c */
int control_attach(struct machine *m);
void control_reset(struct machine *m);

/* boot.c: what a BIOS leaves to a boot sector, and what happens to one that calls the BIOS. */
void boot_prepare(struct machine *m);
bool boot_is_bios_call(uint64_t gpa);
void boot_report_bios_call(struct machine *m, const struct vm_run *run);
/* vCPU `index` begins where a start-up IPI says. */
void boot_start_other(struct machine *m, unsigned int index, uint8_t vector);

/* kernel.c: the kernel of the image, entered with paging on.  Is it in order?  Says so if not. */
bool kernel_check(const struct options *o, const struct ide_disk *disk);
/* As boot_prepare(); if it is not in order any more, the machine is off. */
void kernel_prepare(struct machine *m);

/* break.c: entries that are broken on purpose. */
/* Prints the breaks that this CPU's back end knows; returns the program's status. */
int break_list(void);
/* Returns whether there is a break of that name, and prints a message if there is none. */
bool break_known(const char *name);
/* With opts.check: has the entries of vCPU 0 checked from now on. */
void break_check(struct machine *m);
/* Called before each run of vCPU 0 with opts.break_name: plants the break before the run asked for.
 */
void break_prepare(struct machine *m);

/* run.c: runs the VM until it is off. */
void run_machine(struct machine *m);
/* Runs the vCPU, with the lock, until it may not run. */
void run_vcpu(struct driver *d);
/* Runs the devices whose time has come; the vCPU comes back when the next one's has. */
void run_tick(struct driver *d);

/* exit.c: do what the vCPU came back for. */
extern void (*const exit_handlers[VM_EXITS])(struct driver *d);

/* smp.c: the vCPUs, and where there are several, their local APICs and threads.  All are called by
 * the first vCPU's thread but smp_may_run().  Creates them; negative: an error. */
long smp_create(struct machine *m);
/* Between them, the vCPUs but the first stand still.  They nest. */
void smp_stop(struct machine *m);
void smp_go(struct machine *m);
/* Waits until a vCPU that is not the first may be in the guest. */
void smp_wait(struct driver *d);
/* sys_vcpu_run() without the lock, which a VM with one vCPU does not need. */
long smp_enter(struct driver *d);

/* terminal.c */
void terminal_type(struct terminal *t, const char *text);
/* Takes what waits on the console; may open the prompt. */
void terminal_poll(struct machine *m);
/* Hands to the UART what it can take. */
void terminal_feed(struct machine *m);

/* prompt.c: returns when the guest is to go on. */
void prompt_open(struct machine *m);

/* report.c */
void report_start(struct machine *m);
void report_clone(struct machine *m); /* the same of a copy */
void report_registers(struct machine *m);
/* Registers and code of the vCPU. */
void report_vcpu(struct machine *m, const struct vm_run *run);
/* The bytes of code at RIP, each after a space. */
void report_bytes(const struct vm_run *run);
/* The beginning of a message about a vCPU. */
void report_whose(const struct machine *m, const struct vm_run *run);
void report_end(struct machine *m);

/* clock.c */
void clock_init(struct clock *c);
uint64_t clock_now(const struct clock *c);
/* The TSC at which the clock reaches ns, or later; UINT64_MAX for VDEV_NEVER. */
uint64_t clock_tsc(const struct clock *c, uint64_t ns);

#endif
