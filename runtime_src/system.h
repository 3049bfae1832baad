/* system.h - what threads.c needs of Windows, POSIX or a page: an atomic word, a lock, a bell to ring who waits for it, a
 * thread. All operations on an atomic word are sequentially consistent. */
#ifndef AMG_SYSTEM_H
#define AMG_SYSTEM_H

#include "base.h"

#ifndef AMG_NO_THREADS
#ifdef _WIN32
#include <windows.h>
#elif !defined(AMG_WEB_THREADS)
#include <pthread.h>
#include <unistd.h>
#endif

#ifdef _MSC_VER
typedef volatile LONG system_atomic;

static uint32_t system_get(system_atomic *a)
{
    return (uint32_t)InterlockedOr(a, 0);
}

static void system_set(system_atomic *a, uint32_t to)
{
    (void)InterlockedExchange(a, (LONG)to);
}

static uint32_t system_add(system_atomic *a, uint32_t by) /* returns what it was */
{
    return (uint32_t)InterlockedExchangeAdd(a, (LONG)by);
}

static int32_t system_swap(system_atomic *a, uint32_t from, uint32_t to) /* 1 if it was `from` and is now `to` */
{
    return InterlockedCompareExchange(a, (LONG)to, (LONG)from) == (LONG)from;
}
#else
typedef uint32_t system_atomic;

static uint32_t system_get(system_atomic *a)
{
    return __atomic_load_n(a, __ATOMIC_SEQ_CST);
}

static void system_set(system_atomic *a, uint32_t to)
{
    __atomic_store_n(a, to, __ATOMIC_SEQ_CST);
}

static uint32_t system_add(system_atomic *a, uint32_t by) /* returns what it was */
{
    return __atomic_fetch_add(a, by, __ATOMIC_SEQ_CST);
}

static int32_t system_swap(system_atomic *a, uint32_t from, uint32_t to) /* 1 if it was `from` and is now `to` */
{
    return __atomic_compare_exchange_n(a, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
#endif

/* Tells the processor that this thread waits for another. */
static void system_pause(void)
{
#ifdef _WIN32
    YieldProcessor();
#elif defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* yield does nothing on most of them */
#elif defined(AMG_WEB_THREADS)
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* there is no such instruction; this one takes as long */
#endif
}

#ifdef _WIN32
typedef HANDLE system_thread;
typedef SRWLOCK system_lock;
typedef CONDITION_VARIABLE system_bell;
#define system_acquire(l) AcquireSRWLockExclusive(l)
#define system_release(l) ReleaseSRWLockExclusive(l)
#define system_listen(b, l) SleepConditionVariableSRW(b, l, INFINITE, 0)
#define system_ring(b) WakeConditionVariable(b)
#define system_lock_init(l) InitializeSRWLock(l)
#define system_bell_init(b) InitializeConditionVariable(b)
#define system_lock_end(l) ((void)(l))
#define system_bell_end(b) ((void)(b))
#define system_join(t) (void)(WaitForSingleObject(t, INFINITE), CloseHandle(t))
#elif defined(AMG_WEB_THREADS)
typedef int32_t system_thread;
typedef system_atomic system_lock;
typedef system_atomic system_bell; /* how often it rang */
static void system_acquire(system_lock *l)
{
    while (!system_swap(l, 0, 1)) { /* held for a few instructions, and not every thread may sleep */
        system_pause();
    }
}

static void system_release(system_lock *l)
{
    system_set(l, 0);
}

static void system_listen(system_bell *b, system_lock *l)
{
    const uint32_t heard = system_get(b);
    system_release(l);
    (void)__builtin_wasm_memory_atomic_wait32((int *)b, (int)heard, -1);
    system_acquire(l);
}

static void system_ring(system_bell *b)
{
    (void)system_add(b, 1);
    (void)__builtin_wasm_memory_atomic_notify((int *)b, 1);
}
#define system_lock_init(l) ((void)(l))
#define system_bell_init(b) ((void)(b))
#define system_lock_end(l) ((void)(l))
#define system_bell_end(b) ((void)(b))
#define system_join(t) ((void)(t)) /* the workers see its end: nothing is allocated after a session is freed */
#else
typedef pthread_t system_thread;
typedef pthread_mutex_t system_lock;
typedef pthread_cond_t system_bell;
#define system_acquire(l) pthread_mutex_lock(l)
#define system_release(l) pthread_mutex_unlock(l)
#define system_listen(b, l) pthread_cond_wait(b, l)
#define system_ring(b) pthread_cond_signal(b)
#define system_lock_init(l) (void)pthread_mutex_init(l, NULL) /* neither fails, both being memory alone */
#define system_bell_init(b) (void)pthread_cond_init(b, NULL)
#define system_lock_end(l) (void)pthread_mutex_destroy(l)
#define system_bell_end(b) (void)pthread_cond_destroy(b)
#define system_join(t) (void)pthread_join(t, NULL)
/* Where the C library does not hold these, a program that is linked without -pthread has one thread to a session. */
#if (defined(__GLIBC__) && __GLIBC__ == 2 && __GLIBC_MINOR__ < 34) || defined(__FreeBSD__) || defined(__NetBSD__)
#pragma weak pthread_create
#pragma weak pthread_join
#define SYSTEM_WEAK
#endif
#endif

/* Makes a thread that runs SYSTEM_MAIN. AMG_OK, or what amg_session_new is to return. */
#ifdef _WIN32
#define SYSTEM_MAIN(name, arg) static DWORD WINAPI name(void *arg)
static int32_t system_start(system_thread *t, LPTHREAD_START_ROUTINE run, void *arg)
{
    *t = CreateThread(NULL, 0, run, arg, 0, NULL);
    return *t ? AMG_OK : AMG_E_MEMORY;
}
#else
#define SYSTEM_MAIN(name, arg) static void *name(void *arg)
#ifdef AMG_WEB_THREADS
/* Has a worker call run(arg), in an instance of its own on the same memory. Returns 0, or else there is no worker. */
__attribute__((import_module("system"), import_name("start"))) int32_t amg_web_start(void *(*run)(void *), void *arg);
#endif

static int32_t system_start(system_thread *t, void *(*run)(void *), void *arg)
{
#ifdef AMG_WEB_THREADS
    *t = amg_web_start(run, arg);
    return *t == 0 ? AMG_OK : AMG_E_MEMORY;
#else
#ifdef SYSTEM_WEAK
    if (!pthread_create) {
        return AMG_E_UNSUPPORTED;
    }
#endif
    return pthread_create(t, NULL, run, arg) == 0 ? AMG_OK : AMG_E_MEMORY;
#endif
}
#endif

/* The process that this is; a constant where processes do not fork. */
static int64_t system_process(void)
{
#if defined(_WIN32) || defined(AMG_WEB_THREADS)
    return 0;
#else
    return (int64_t)getpid();
#endif
}

/* Whether a thread may sleep: in a browser the one that calls may not. */
static int32_t system_sleeps(int32_t index)
{
#ifdef AMG_WEB_THREADS
    return index > 0;
#else
    (void)index;
    return 1;
#endif
}
#endif
#endif
