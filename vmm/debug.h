#ifndef NESTLING_VMM_DEBUG_H
#define NESTLING_VMM_DEBUG_H

#include "vmm/vcpu.h"

/*
 * A back end's second table: functions that show a control block, check it, and break it on
 * purpose.  An ordinary exit calls none of them.
 */

/* The findings of a checker of entry rules, as text: one line with what the hardware said, then two
 * lines for each broken rule. */
struct findings {
	char *text;
	uint64_t size, used;   /* bytes */
	unsigned int broken;   /* rules */
	unsigned int left_out; /* broken rules that the text had no room for */
};
/* explain.c.  Appends text that is no rule, such as the first line. */
void findings_head(struct findings *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds a broken rule: the field with its value, what the value must be, the manual's section. */
void findings_add(struct findings *f, const char *field, uint64_t value, const char *must,
                  const char *manual, const char *section);

/* A change of one field of the control block. */
struct hv_change {
	const char *field;    /* its name; NULL: no change */
	uint32_t where, size; /* VMX: encoding of the field; SVM: offset and bytes in the VMCB */
	uint64_t clear, set;  /* bits */
};

/* A break: a change that makes the hardware refuse an entry. */
struct hv_break {
	const char *name;
	struct hv_change change;
	struct hv_change enable; /* made before `change`, if the rule applies only then */
};

typedef void (*hv_print_t)(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* In each function but block_pa(), v must be current on this CPU. */
struct hv_debug {
	/* Explains a refused entry: writes what the hardware said, and adds the broken rules.  x is
	 * the exit that the hardware reported; NULL when enter() failed. */
	void (*explain)(struct vcpu *v, const struct hv_exit *x, struct findings *out);
	/* Adds all rules that an entry would break now; does not enter. */
	void (*check)(struct vcpu *v, struct findings *out);
	/* Copies the control block for explain(), right before an entry.  NULL: a refused entry
	 * does not change the control block, so explain() needs no copy. */
	void (*keep)(struct vcpu *v);
	const struct hv_break *breaks;
	unsigned int break_count;
	/* Reads and writes the field that c changes. */
	uint64_t (*field_read)(struct vcpu *v, const struct hv_change *c);
	void (*field_write)(struct vcpu *v, const struct hv_change *c, uint64_t value);
	void (*dump)(struct vcpu *v, hv_print_t print); /* prints the control block */
	uint64_t (*block_pa)(const struct vcpu *v);     /* hpa of the control block */
	const char *load_text, *put_text; /* what hv->load() and put() do, for kern/switchlog.c */
};

#endif
