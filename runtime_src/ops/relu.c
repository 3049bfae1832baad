/* relu.c - y = max(x, 0), elementwise. x, y: any shape, float32; may run in place. */
#include "../op.h"
