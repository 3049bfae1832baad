/* file.c - opens a .amg file: maps it read-only where the system can, reads it otherwise. A file that is cut while it
 * is mapped ends the program at the next touch (SIGBUS on POSIX); with AMG_OPEN_COPY it is read instead. */
#ifndef AMG_NO_FILE
#define _POSIX_C_SOURCE 200809L
#endif
#include "load.h"

#ifndef AMG_NO_FILE
#if defined(_WIN32)
#include <windows.h>
#elif defined(__unix__) || (defined(__APPLE__) && defined(__MACH__))
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define FILE_POSIX
#else
#include <stdio.h>
#endif

#if defined(_WIN32)
/* Opens a file, whose path is UTF-8 whatever the code page of the process. */
static int32_t file_open(const char *path, const amg_memory *memory, HANDLE *file)
{
    const int units = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    wchar_t *wide;
    if (units <= 0) {
        return AMG_E_FILE;
    }
    wide = (wchar_t *)amg_memory_get(memory, (size_t)units * sizeof *wide);
    if (!wide) {
        return AMG_E_MEMORY;
    }
    MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, units);
    *file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    amg_memory_put(memory, wide);
    return *file == INVALID_HANDLE_VALUE ? AMG_E_FILE : AMG_OK;
}

/* file_map: the bytes of a file. *copied: they are in memory that was allocated rather than in a mapping. */
static int32_t file_map(const char *path, const amg_memory *memory, void **map, size_t *bytes, int32_t *copied)
{
    HANDLE mapping = NULL, file;
    LARGE_INTEGER size;
    const int32_t status = file_open(path, memory, &file);
    *copied = 0; /* amg_load copies; a mapped file cannot be cut on this system */
    if (status != AMG_OK) {
        return status;
    }
    if (GetFileSizeEx(file, &size) && size.QuadPart > 0 && (uint64_t)size.QuadPart <= SIZE_MAX) {
        mapping = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
        *map = mapping ? MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0) : NULL;
        *bytes = (size_t)size.QuadPart;
    }
    if (mapping) {
        CloseHandle(mapping);
    }
    CloseHandle(file);
    return *map ? AMG_OK : AMG_E_FILE;
}

AMG_INTERNAL void amg_file_unmap(void *map, size_t bytes)
{
    (void)bytes;
    UnmapViewOfFile(map);
}
#elif defined(FILE_POSIX)
/* Fills memory from a file; 0 where it ends early or cannot be read. */
static int32_t file_read(int file, char *to, size_t bytes)
{
    while (bytes) {
        const ssize_t got = read(file, to, bytes < (1u << 30) ? bytes : 1u << 30);
        if (got > 0) {
            to += got;
            bytes -= (size_t)got;
        } else if (got == 0 || errno != EINTR) {
            return 0;
        }
    }
    return 1;
}

static int32_t file_map(const char *path, const amg_memory *memory, void **map, size_t *bytes, int32_t *copied)
{
    struct stat info;
    int32_t status = AMG_E_FILE;
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        return AMG_E_FILE;
    }
    if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0
        && (uint64_t)info.st_size <= SIZE_MAX / 2) {
        *bytes = (size_t)info.st_size;
        if (*copied) {
            *map = amg_memory_get(memory, *bytes);
            status = !*map ? AMG_E_MEMORY : file_read(file, (char *)*map, *bytes) ? AMG_OK : AMG_E_FILE;
            if (status != AMG_OK) {
                amg_memory_put(memory, *map);
            }
        } else {
            *map = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE, file, 0);
            status = *map != MAP_FAILED ? AMG_OK : errno == ENOMEM ? AMG_E_MEMORY : AMG_E_FILE;
        }
    }
    close(file);
    return status;
}

AMG_INTERNAL void amg_file_unmap(void *map, size_t bytes)
{
    munmap(map, bytes);
}
#else
static int32_t file_map(const char *path, const amg_memory *memory, void **map, size_t *bytes, int32_t *copied)
{
    FILE *file = fopen(path, "rb");
    int32_t status = AMG_E_FILE;
    long size;
    *copied = 1;
    if (!file) {
        return AMG_E_FILE;
    }
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) > 0 && fseek(file, 0, SEEK_SET) == 0) {
        *map = amg_memory_get(memory, (size_t)size);
        *bytes = (size_t)size;
        status = !*map ? AMG_E_MEMORY : fread(*map, 1, *bytes, file) == *bytes ? AMG_OK : AMG_E_FILE;
        if (status != AMG_OK) {
            amg_memory_put(memory, *map);
        }
    }
    fclose(file);
    return status;
}

AMG_INTERNAL void amg_file_unmap(void *map, size_t bytes)
{
    (void)map; /* nothing is ever mapped */
    (void)bytes;
}
#endif

AMG_API AMG_COLD int32_t amg_open_file(const char *path, const amg_options *opt, amg_model **out)
{
    amg_options o;
    amg_memory memory;
    void *map = NULL;
    size_t bytes = 0;
    int32_t status, copied, kept;
    if (!path || !out) {
        return AMG_E_ARGUMENT;
    }
    *out = NULL;
    status = amg_options_of(opt, &o);
    if (status != AMG_OK) {
        return status;
    }
    memory.alloc = o.alloc;
    memory.release = o.release;
    memory.user = o.user;
    copied = (o.flags & AMG_OPEN_COPY) != 0;
    status = file_map(path, &memory, &map, &bytes, &copied);
    if (status != AMG_OK) {
        return amg_say(o.errbuf, o.errbuf_size, status,
                       status == AMG_E_MEMORY ? "no memory for the file" : "cannot open or read, or empty", path);
    }
    o.data = map;
    o.size = bytes;
    if (copied && !AMG_BIG_ENDIAN) { /* what was read serves as the copy, but where bytes must be swapped */
        o.flags &= ~(uint32_t)AMG_OPEN_COPY;
    }
    status = amg_load(&o, out);
    kept = status == AMG_OK && !(*out)->copied;
    if (kept && copied) {
        (*out)->copy = map;
    } else if (kept) {
        (*out)->map = map;
        (*out)->map_bytes = bytes;
    } else if (copied) {
        amg_memory_put(&memory, map);
    } else {
        amg_file_unmap(map, bytes);
    }
    return status;
}
#endif
