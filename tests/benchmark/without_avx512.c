/* Makes a process believe that its processor has neither AVX-512 nor AMX nor AVX-VNNI, so that a runtime which
 * offers no switch for it can be measured as on a processor that has AVX2 alone. To be loaded before it
 * (LD_PRELOAD). Built with KEEP_AVX_VNNI, it leaves AVX-VNNI; with KEEP_AVX512, it hides AMX alone.
 *
 * Linux can make CPUID fault (arch_prctl(2), ARCH_SET_CPUID), where the processor and a hypervisor let it. The
 * handler answers in its place, with those features left out. The setting is inherited by threads, and ends
 * with the program. Only what the C library chose before this was loaded stays as it is. */

#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012

/* Leaf 7 of CPUID: AMX, and its second page: f16 and complex numbers in AMX. */
#define AMX_EDX (1u << 22 | 1u << 24 | 1u << 25)
#define AMX_1_EAX (1u << 21)
#define AMX_1_EDX (1u << 8)
#ifdef KEEP_AVX512
#define LEAF_7_EBX 0u
#define LEAF_7_ECX 0u
#define LEAF_7_EDX AMX_EDX
#define LEAF_7_1_EAX AMX_1_EAX
#define LEAF_7_1_EDX AMX_1_EDX
#else
/* AVX-512 in its parts; bf16 in AVX-512, and AVX10. */
#define LEAF_7_EBX (1u << 16 | 1u << 17 | 1u << 21 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 30 | 1u << 31)
#define LEAF_7_ECX (1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14)
#define LEAF_7_EDX (1u << 2 | 1u << 3 | 1u << 8 | 1u << 23 | AMX_EDX)
#ifdef KEEP_AVX_VNNI
#define VNNI_1_EAX 0u
#define VNNI_1_EDX 0u
#else
/* AVX-VNNI, and its kin for other signs and for 16 bits. */
#define VNNI_1_EAX (1u << 4)
#define VNNI_1_EDX (1u << 4 | 1u << 10)
#endif
#define LEAF_7_1_EAX (1u << 5 | AMX_1_EAX | VNNI_1_EAX)
#define LEAF_7_1_EDX (1u << 19 | AMX_1_EDX | VNNI_1_EDX)
#endif

static long let_cpuid(unsigned long answers) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, answers); }

static void answer(int number, siginfo_t *info, void *context)
{
	(void)info;
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	const unsigned char *instruction = (const unsigned char *)registers[REG_RIP];
	if (instruction[0] != 0x0f || instruction[1] != 0xa2) {
		/* A fault of its own: it comes again, and ends the process. */
		signal(number, SIG_DFL);
		return;
	}
	unsigned leaf = (unsigned)registers[REG_RAX], page = (unsigned)registers[REG_RCX], eax, ebx, ecx, edx;
	let_cpuid(1);
	__cpuid_count(leaf, page, eax, ebx, ecx, edx);
	let_cpuid(0);
	if (leaf == 7 && page == 0) {
		ebx &= ~LEAF_7_EBX;
		ecx &= ~LEAF_7_ECX;
		edx &= ~LEAF_7_EDX;
	} else if (leaf == 7 && page == 1) {
		eax &= ~LEAF_7_1_EAX;
		edx &= ~LEAF_7_1_EDX;
	}
	registers[REG_RAX] = eax;
	registers[REG_RBX] = ebx;
	registers[REG_RCX] = ecx;
	registers[REG_RDX] = edx;
	registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void)
{
	struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
	if (sigaction(SIGSEGV, &action, NULL) != 0 || let_cpuid(0) != 0) {
		fputs("this system can't hide what a processor has\n", stderr);
		exit(1);
	}
}
