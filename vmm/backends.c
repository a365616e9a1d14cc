#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "lib/string.h"
#include "vmm/svm/svm.h"
#include "vmm/vmx/vmx.h"

/* The one file that names the back ends. */
static const struct hv_ops *const backends[] = {&hv_vmx, &hv_svm};

enum { BRAND_SIZE = 48 };
_Static_assert(sizeof(hv_caps.cpu) > BRAND_SIZE, "the brand string fits in struct hv_caps");

/* Drops blanks at both ends, and all but one of several blanks between words. */
static void
squeeze(char *text)
{
	char *out = text;

	for (const char *p = text; *p; p++)
		if (*p != ' ' || (out > text && p[1] && p[1] != ' '))
			*out++ = *p;
	*out = 0;
}

/* Fills in the brand string of CPUID 80000002h to 80000004h, or the vendor's name if there is none.
 * brand is all zeros. */
static void
cpu_brand(char *brand)
{
	struct cpuid_regs r = cpuid(0, 0);
	uint32_t vendor[] = {r.ebx, r.edx, r.ecx};

	if (cpuid(0x80000000, 0).eax < 0x80000004) {
		memcpy(brand, vendor, sizeof(vendor));
		return;
	}
	for (uint32_t i = 0; i < 3; i++) {
		r = cpuid(0x80000002 + i, 0);
		memcpy(brand + sizeof(r) * i, &r, sizeof(r));
	}
	squeeze(brand);
}

void
hv_init(void)
{
	strlcpy(hv_caps.refusal, "this CPU has neither VMX (CPUID.1:ECX bit 5) nor SVM",
	        HV_CAPS_TEXT);
	cpu_brand(hv_caps.cpu);
	for (unsigned int i = 0; i < ARRAY_SIZE(backends); i++) {
		if (backends[i]->probe(&hv_caps) < 0)
			continue;
		if (backends[i]->cpu_on() < 0)
			continue;
		hv = backends[i];
		hv_caps.usable = 1;
		if (hv_caps.nested)
			hv_caps.refusal[0] = '\0';
		cpuid_init();
		stats_init();
		return;
	}
}
