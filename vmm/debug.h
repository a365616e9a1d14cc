#ifndef NESTLING_VMM_DEBUG_H
#define NESTLING_VMM_DEBUG_H

#include "vmm/vcpu.h"

/*
 * A back end's second table: what shows a control block, checks it, and breaks it on purpose.
 * Nothing here is on the path of an exit.
 */

/* What a checker of entry rules has found: a line that says what the hardware said, then two lines
 * for each rule that is broken. */
struct findings {
	char *text;
	uint64_t size, used;   /* bytes */
	unsigned int broken;   /* rules */
	unsigned int left_out; /* broken rules that the text had no room for */
};
/* explain.c: sets the first line; adds a broken rule. */
void findings_head(struct findings *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void findings_add(struct findings *f, const char *field, uint64_t value, const char *must,
                  const char *manual, const char *section);

/* A change of one field of the control block; where and size are the back end's. */
struct hv_change {
	const char *field; /* NULL: none */
	uint32_t where, size;
	uint64_t clear, set;
};

/* A break: it makes the hardware refuse an entry. */
struct hv_break {
	const char *name;
	struct hv_change change;
	struct hv_change enable; /* made first, where the rule would not apply otherwise */
};

typedef void (*hv_print_t)(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* v must be current in each function but block_pa(). */
struct hv_debug {
	/* Explains a refused entry: says what the hardware said, and adds the rules that are
	 * broken.  x is the exit that the hardware reported; NULL when enter() failed. */
	void (*explain)(struct vcpu *v, const struct hv_exit *x, struct findings *out);
	/* Adds all rules that an entry would break now. */
	void (*check)(struct vcpu *v, struct findings *out);
	/* Keeps a copy of the control block for explain(); NULL where a refused entry leaves it
	 * as it was. */
	void (*keep)(struct vcpu *v);
	const struct hv_break *breaks;
	unsigned int break_count;
	/* Reads and writes the field that c changes. */
	uint64_t (*field_read)(struct vcpu *v, const struct hv_change *c);
	void (*field_write)(struct vcpu *v, const struct hv_change *c, uint64_t value);
	void (*dump)(struct vcpu *v, hv_print_t print); /* prints the control block */
	uint64_t (*block_pa)(const struct vcpu *v);     /* hpa of the control block */
	const char *load_text, *put_text; /* what load() and put() do, for kern/switchlog.c */
};

#endif
