#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "lib/string.h"
#include "vmm/svm/svm.h"
#include "vmm/vmx/vmx.h"

/* The one file that names the back ends. */
static const struct hv_ops *const backends[] = {&hv_vmx, &hv_svm};

static void
cpu_brand(char *out, uint64_t size)
{
	char text[49] = "";
	const char *p = text;

	if (cpuid(0x80000000, 0).eax >= 0x80000004)
		for (uint32_t i = 0; i < 3; i++) {
			struct cpuid_regs r = cpuid(0x80000002 + i, 0);

			memcpy(text + 16 * i, &r, 16);
		}
	while (*p == ' ')
		p++;
	for (uint64_t n = strlen(text); n && text[n - 1] == ' '; n--)
		text[n - 1] = '\0';
	strlcpy(out, p, size);
}

void
hv_init(void)
{
	strlcpy(hv_caps.refusal, "this CPU has neither VMX (CPUID.1:ECX bit 5) nor SVM",
	        HV_CAPS_TEXT);
	cpu_brand(hv_caps.cpu, sizeof(hv_caps.cpu));
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
