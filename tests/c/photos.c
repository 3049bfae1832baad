/* photos.c - SqueezeNet on photos, and on a ramp: photos SQUEEZENET.txt FOLDER WEIGHTS.amg, where FOLDER holds NAME.ppm of
 * every NAME in the text, whose head says what its numbers are. Prints "ok". */
#include "squeezenet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES 1000
#define BEST 5

static void check(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "fails: %s\n", what);
        exit(1);
    }
}

static void near(double got, double wanted, const char *name)
{
    if (!(fabs(got - wanted) <= 1e-4)) {
        fprintf(stderr, "fails: %s: %g, not %g\n", name, got, wanted);
        exit(1);
    }
}

static void set_ramp(amg_session *s)
{
    size_t bytes = 0;
    float *x = (float *)amg_data(s, AMG_INPUT, 0, &bytes);
    for (size_t i = 0; i < bytes / sizeof *x; i++) {
        x[i] = (float)(i * 7919 % 251) - 125.0f;
    }
}

static void set_photo(amg_session *s, const char *folder, const char *name)
{
    char path[1000];
    int width = 0, height = 0;
    unsigned char *pixels;
    size_t bytes;
    FILE *file;
    check(snprintf(path, sizeof path, "%s/%s.ppm", folder, name) < (int)sizeof path, "a short path");
    file = fopen(path, "rb");
    check(file != NULL, path);
    check(fscanf(file, "P6 %d %d 255", &width, &height) == 2 && fgetc(file) == '\n' && width > 0 && height > 0, path);
    bytes = (size_t)width * (size_t)height * 3;
    pixels = (unsigned char *)malloc(bytes);
    check(pixels && fread(pixels, 1, bytes, file) == bytes, "the pixels");
    fclose(file);
    check(amg_set_image(s, 0, pixels, width, height, width * 3, AMG_RGB8) == AMG_OK, amg_errmsg(s));
    free(pixels);
}

/* Reads the numbers of a line, and compares with what the session has computed. */
static void compare(amg_session *s, FILE *text, const char *name)
{
    int32_t best[BEST];
    float score[BEST];
    const float *p = (const float *)amg_data(s, AMG_OUTPUT, 0, NULL);
    double sum = 0, squares = 0, wanted = 0;
    check(amg_topk(s, 0, BEST, best, score) == BEST, "amg_topk");
    for (int i = 0; i < CLASSES; i++) {
        sum += p[i] * (double)i / 1000;
        squares += p[i] * (double)p[i];
    }
    for (int i = 0; i < BEST; i++) {
        int class_index = -1;
        check(fscanf(text, "%d %lf", &class_index, &wanted) == 2, "a class and its score");
        near(best[i], class_index, name);
        near(score[i], wanted, name);
    }
    check(fscanf(text, "%lf", &wanted) == 1, "a sum");
    near(sum, wanted, name);
    check(fscanf(text, "%lf", &wanted) == 1, "a sum of squares");
    near(squares, wanted, name);
}

int main(int argc, char **argv)
{
    char name[32];
    int lines = 0;
    amg_model *m = NULL;
    amg_session *s = NULL;
    FILE *text = argc == 4 ? fopen(argv[1], "r") : NULL;
    check(text != NULL, "photos SQUEEZENET.txt FOLDER WEIGHTS.amg");
    check(amg_open_file(argv[3], NULL, &m) == AMG_OK && amg_session_new(m, NULL, &s) == AMG_OK, "amg_open_file");
    while (fscanf(text, "%31s", name) == 1) {
        if (name[0] == '#') {
            check(fscanf(text, "%*[^\n]") != EOF, "a comment");
            continue;
        }
        if (strcmp(name, "ramp") == 0) {
            set_ramp(s);
        } else {
            set_photo(s, argv[2], name);
        }
        check(amg_run(s) == AMG_OK, "amg_run");
        compare(s, text, name);
        lines++;
    }
    fclose(text);
    amg_session_free(s);
    amg_close(m);
    check(lines == 5, "five lines");
    puts("ok");
    return 0;
}
