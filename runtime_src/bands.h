/* bands.h - steps that follow each other, run a few rows at a time: what passes between them is never whole in memory. */
#ifndef AMG_BANDS_H
#define AMG_BANDS_H

#include "plan.h"

/* Finds the bands of a plan whose shapes are known, as the model wishes them, for this many threads; p->bands. */
AMG_INTERNAL void amg_bands_find(amg_plan *p, int32_t isa, int32_t threads);

/* Calls visit for each piece of work of the band that step `first` begins, in order: layer's step on a few rows. Stops at
 * the first that returns other than 1, and returns that; else 1. */
typedef int32_t (*amg_band_visit)(void *arg, int32_t layer, amg_step *piece);
AMG_INTERNAL int32_t amg_bands_walk(const amg_plan *p, int32_t first, amg_band_visit visit, void *arg);

#endif
