#include "vmm/vmx/check.h"

#include "inc/x86.h"
#include "lib/printf.h"

/* Checks the rules of segrules.def for each segment. */

enum {
	S_ES = 1 << SEG_ES,
	S_CS = 1 << SEG_CS,
	S_SS = 1 << SEG_SS,
	S_DS = 1 << SEG_DS,
	S_FS = 1 << SEG_FS,
	S_GS = 1 << SEG_GS,
	S_LDTR = 1 << SEG_LDTR,
	S_TR = 1 << SEG_TR,
	S_CODE_DATA = S_ES | S_CS | S_SS | S_DS | S_FS | S_GS,
};
enum { SELECTOR_TI = 1 << 2, AR_S = 1 << 4, AR_P = 1 << 7, AR_G = 1 << 15 };

struct segment {
	uint64_t sel, limit;
	uint32_t dpl;
	bool usable;
	bool plain; /* most rules apply: CS or usable, and not in virtual-8086 mode */
};

/* Is it the type of an accessed segment that can be read? */
static bool
is_data_type(uint64_t ar)
{
	return (ar & 1) && (!(ar & 8) || (ar & 2));
}

static bool
is_ar_reserved(uint64_t ar)
{
	return BITS(ar, 11, 8) || BITS(ar, 31, 17);
}

static bool
is_granularity(const struct segment *s, uint64_t ar)
{
	if (BITS(s->limit, 11, 0) != 0xfff && (ar & AR_G))
		return false;
	return !BITS(s->limit, 31, 20) || (ar & AR_G);
}

#define SEGMENT_RULE(name, part, segments, when, keeps, must)                                    \
	static bool keeps_##name(const struct check *c, const struct segment *s, uint64_t value) \
	{                                                                                        \
		(void)c;                                                                         \
		(void)s;                                                                         \
		(void)value;                                                                     \
		return !(when) || (keeps);                                                       \
	}
#include "vmm/vmx/segrules.def"
#undef SEGMENT_RULE

static const struct segment_rule {
	unsigned int segments;
	enum vmcs_field field; /* the field of ES */
	const char *part;
	bool (*keeps)(const struct check *c, const struct segment *s, uint64_t value);
	const char *must;
} rules[] = {
#define SEGMENT_RULE(name, part, segments, when, keeps, must) \
	{segments, VMCS_GUEST_ES_##part, #part, keeps_##name, must},
#include "vmm/vmx/segrules.def"
#undef SEGMENT_RULE
};

static struct segment
read_segment(const struct check *c, enum vm_seg n)
{
	struct vm_segment seg;

	vmx_get_segment(c->v, n, &seg);
	return (struct segment){
	        .sel = seg.sel,
	        .limit = seg.limit,
	        .dpl = BITS(seg.ar, 6, 5),
	        .usable = !(seg.ar & SEG_AR_UNUSABLE),
	        .plain = !c->v8086 && (n == SEG_CS || !(seg.ar & SEG_AR_UNUSABLE)),
	};
}

void
check_segments(const struct check *c)
{
	static const char *const names[SEG_COUNT] = {
	        [SEG_ES] = "ES", [SEG_CS] = "CS", [SEG_SS] = "SS",     [SEG_DS] = "DS",
	        [SEG_FS] = "FS", [SEG_GS] = "GS", [SEG_LDTR] = "LDTR", [SEG_TR] = "TR",
	};

	for (unsigned int n = 0; n < SEG_COUNT; n++) {
		struct segment s = read_segment(c, n);

		for (unsigned int i = 0; i < ARRAY_SIZE(rules); i++) {
			const struct segment_rule *r = &rules[i];
			uint64_t value = vmcs_read(c->v, r->field + VMCS_SEGMENT_STEP * n);
			char field[32];

			if (!(r->segments & 1u << n) || r->keeps(c, &s, value))
				continue;
			snprintf(field, sizeof(field), "GUEST_%s_%s", names[n], r->part);
			check_report(c, field, value, r->must);
		}
	}
}
