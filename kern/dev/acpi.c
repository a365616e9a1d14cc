#include "kern/dev/acpi.h"

#include <stdbool.h>
#include <stddef.h>

#include "kern/mem/pmap.h"
#include "lib/string.h"

struct rsdp {
	char signature[8];
	uint8_t checksum; /* makes the sum of the first 20 bytes 0 */
	char oem[6];
	uint8_t revision; /* 0: ends with rsdt */
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t checksum_all;
	uint8_t reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct rsdp) == ACPI_RSDP_SIZE, "RSDP of ACPI 2.0");

/* What every other table begins with. */
struct table {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum; /* makes the sum of all its bytes 0 */
	char oem[14];
	uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));
_Static_assert(sizeof(struct table) == 36, "header of an ACPI table");

struct madt {
	struct table header;
	uint32_t lapic, flags;
	uint8_t entries[];
} __attribute__((packed));

struct madt_entry {
	uint8_t type, length;
} __attribute__((packed));

struct madt_lapic {
	struct madt_entry entry;
	uint8_t uid, apic_id;
	uint32_t flags;
} __attribute__((packed));

struct madt_x2apic {
	struct madt_entry entry;
	uint16_t reserved;
	uint32_t apic_id, flags, uid;
} __attribute__((packed));

enum {
	RSDP_V1_SIZE = 20,
	RSDP_ALIGN = 16,
	TABLE_MAX = 64 * 1024, /* no MADT is larger; a length of garbage is */
	MADT_LAPIC = 0,
	MADT_X2APIC = 9,
	CPU_ENABLED = 1,
	APIC_ID_MAX = 254, /* 255 is everybody */
};

static bool
sums_to_zero(const void *data, uint64_t size)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (size--)
		sum += *p++;
	return !sum;
}

static bool
rsdp_valid(const struct rsdp *r, uint64_t size)
{
	if (size < RSDP_V1_SIZE || memcmp(r->signature, "RSD PTR ", sizeof(r->signature)) != 0)
		return false;
	return sums_to_zero(r, RSDP_V1_SIZE);
}

const void *
acpi_scan(const void *area, uint64_t size)
{
	for (uint64_t off = 0; off + RSDP_V1_SIZE <= size; off += RSDP_ALIGN)
		if (rsdp_valid((const void *)((const char *)area + off), size - off))
			return (const char *)area + off;
	return NULL;
}

/* A table with its content, all checked; NULL with *why. */
static const struct table *
read_table(uint64_t pa, const char **why)
{
	const struct table *t = firmware_map(pa, sizeof(*t));
	uint32_t length;

	*why = "an ACPI table lies outside of memory";
	if (!t)
		return NULL;
	length = t->length;
	*why = "an ACPI table has an impossible length";
	if (length < sizeof(*t) || length > TABLE_MAX)
		return NULL;
	*why = "an ACPI table lies outside of memory";
	t = firmware_map(pa, length);
	if (!t)
		return NULL;
	*why = "an ACPI table has a wrong checksum";
	return t->length == length && sums_to_zero(t, length) ? t : NULL;
}

/* The table of tables, with addresses of 4 or 8 bytes. */
static const struct table *
read_root(const struct rsdp *r, uint64_t size, unsigned int *width, const char **why)
{
	bool has_xsdt = r->revision >= 2 && size >= sizeof(*r) && sums_to_zero(r, sizeof(*r));

	*width = has_xsdt && r->xsdt ? sizeof(uint64_t) : sizeof(uint32_t);
	return read_table(*width == sizeof(uint64_t) ? r->xsdt : r->rsdt, why);
}

static const struct madt *
find_madt(const struct table *root, unsigned int width, const char **why)
{
	const char *entry = (const char *)(root + 1);
	const char *end = (const char *)root + root->length;

	for (; entry + width <= end; entry += width) {
		uint64_t pa = 0;
		const struct table *t;

		memcpy(&pa, entry, width);
		t = firmware_map(pa, sizeof(*t));
		if (!t || memcmp(t->signature, "APIC", sizeof(t->signature)) != 0)
			continue;
		t = read_table(pa, why);
		if (t && t->length < sizeof(struct madt)) {
			*why = "the ACPI MADT is too short";
			return NULL;
		}
		return (const struct madt *)t;
	}
	*why = "there is no ACPI MADT";
	return NULL;
}

static void
add_cpu(struct acpi_cpus *out, uint32_t apic_id, uint32_t flags)
{
	if (!(flags & CPU_ENABLED))
		return;
	for (unsigned int i = 0; i < out->count; i++)
		if (out->apic_id[i] == apic_id)
			return;
	if (out->count == CPUS_MAX || apic_id > APIC_ID_MAX)
		out->left_out++;
	else
		out->apic_id[out->count++] = (uint8_t)apic_id;
}

/* False when an entry does not fit. */
static bool
read_entries(const struct madt *m, struct acpi_cpus *out)
{
	const uint8_t *p = m->entries;
	const uint8_t *end = (const uint8_t *)m + m->header.length;

	for (const struct madt_entry *e; p < end; p += e->length) {
		uint64_t left = (uint64_t)(end - p);

		e = (const struct madt_entry *)p;
		if (left < sizeof(*e) || e->length < sizeof(*e) || e->length > left)
			return false;
		if (e->type == MADT_LAPIC && e->length >= sizeof(struct madt_lapic)) {
			const struct madt_lapic *cpu = (const struct madt_lapic *)p;

			add_cpu(out, cpu->apic_id, cpu->flags);
		} else if (e->type == MADT_X2APIC && e->length >= sizeof(struct madt_x2apic)) {
			const struct madt_x2apic *cpu = (const struct madt_x2apic *)p;

			add_cpu(out, cpu->apic_id, cpu->flags);
		}
	}
	return true;
}

const char *
acpi_find_cpus(const void *rsdp, uint64_t size, struct acpi_cpus *out)
{
	const char *why = "the ACPI RSDP is not valid";
	const struct table *root = NULL;
	const struct madt *madt = NULL;
	unsigned int width;

	*out = (struct acpi_cpus){0};
	if (rsdp_valid(rsdp, size))
		root = read_root(rsdp, size, &width, &why);
	if (root)
		madt = find_madt(root, width, &why);
	if (!madt)
		return why;
	if (!read_entries(madt, out))
		return "the ACPI MADT has an entry of impossible length";
	return out->count ? NULL : "the ACPI MADT names no CPU";
}
