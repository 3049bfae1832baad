/* cpu.h - which instruction sets this machine runs. */
#ifndef AMG_CPU_H
#define AMG_CPU_H

#include "base.h"

AMG_INTERNAL int32_t amg_isa_best(void);        /* the fastest that this build holds and this machine runs */
AMG_INTERNAL int32_t amg_isa_runs(int32_t isa); /* 1: this build holds it and this machine runs it */

#endif
