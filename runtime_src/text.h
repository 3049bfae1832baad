/* text.h - messages put together in a caller's buffer, cut where it ends; no stdio. */
#ifndef AMG_TEXT_H
#define AMG_TEXT_H

#include "base.h"

typedef struct amg_text {
    char *at; /* where the next character goes; NULL: nowhere */
    size_t left;
} amg_text;

static inline amg_text amg_text_in(char *buffer, size_t size)
{
    amg_text t = {size ? buffer : NULL, buffer ? size : 0};
    if (t.at) {
        *t.at = '\0';
    }
    return t;
}

static inline void amg_text_add(amg_text *t, const char *s)
{
    while (t->left > 1 && *s) {
        *t->at++ = *s++;
        *t->at = '\0';
        t->left--;
    }
}

static inline void amg_text_int(amg_text *t, int64_t value)
{
    char digits[24];
    int32_t at = (int32_t)sizeof digits - 1;
    uint64_t rest = value < 0 ? 0u - (uint64_t)value : (uint64_t)value;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0) {
        digits[--at] = '-';
    }
    amg_text_add(t, digits + at);
}

#endif
