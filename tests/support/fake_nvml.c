/* A libnvidia-ml.so.1 that answers from a text file, for machines without a GPU.
 *
 * The environment variable FAKE_NVML names the file; each line of it says one thing:
 *
 *   driver=550.54.15
 *   cuda=12040
 *   gpu=NAME|UUID|MEMORY_TOTAL|MEMORY_USED|CAPABILITY_MAJOR|CAPABILITY_MINOR|MIG|ECC
 *                          MIG and ECC are 0, 1, or -1 where the GPU does not have it
 *   slice=NAME|UUID|MEMORY_TOTAL|MEMORY_USED       a MIG device of the last GPU
 *   fail=FUNCTION CODE     this function answers nothing and returns this code
 *   hang=PATH              nvmlInit writes its process id into PATH and never returns
 *
 * It has what envmagic asks for and nothing else. With -DOLD_DRIVER it lacks what an
 * old driver's library lacks. The soname matters: it is the name that is searched for.
 *
 *   cc -shared -fPIC -Wl,-soname,libnvidia-ml.so.1 -o libnvidia-ml.so.1 fake_nvml.c
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3 };
enum { NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };
enum { MAX_GPUS = 16, MAX_SLICES = 7, MAX_FAILURES = 16, MAX_LINE = 1024 };

struct gpu {
    char name[96], uuid[96];
    unsigned long long total, used;
    int major, minor, mig, ecc, slice_count;
    struct gpu *slices[MAX_SLICES];
};

struct failure {
    char function[64];
    int code;
};

struct memory {
    unsigned long long total, free, used;
};

static struct gpu gpus[MAX_GPUS], slices[MAX_GPUS * MAX_SLICES];
static struct failure failures[MAX_FAILURES];
static int gpu_count, slice_count, failure_count, cuda, initialized;
static char driver[80], hang[MAX_LINE];

/* What the file says that this function returns; SUCCESS where it says nothing. */
static int told(const char *function) {
    for (int i = 0; i < failure_count; i++)
        if (strcmp(failures[i].function, function) == 0) return failures[i].code;
    return initialized ? SUCCESS : UNINITIALIZED;
}

#define FAIL_AS_TOLD                          \
    do {                                      \
        int code = told(__func__);            \
        if (code != SUCCESS) return code;     \
    } while (0)

static void read_line(const char *line) {
    struct gpu *gpu = &gpus[gpu_count];
    struct failure *failure = &failures[failure_count];
    if (sscanf(line, "driver=%79s", driver) == 1) return;
    if (sscanf(line, "cuda=%d", &cuda) == 1) return;
    if (sscanf(line, "hang=%1023s", hang) == 1) return;
    if (failure_count < MAX_FAILURES &&
        sscanf(line, "fail=%63s %d", failure->function, &failure->code) == 2)
        failure_count++;
    if (gpu_count < MAX_GPUS &&
        sscanf(line, "gpu=%95[^|]|%95[^|]|%llu|%llu|%d|%d|%d|%d", gpu->name, gpu->uuid,
               &gpu->total, &gpu->used, &gpu->major, &gpu->minor, &gpu->mig, &gpu->ecc) == 8)
        gpu_count++;
    if (gpu_count > 0 && gpus[gpu_count - 1].slice_count < MAX_SLICES) {
        struct gpu *parent = &gpus[gpu_count - 1], *slice = &slices[slice_count];
        if (sscanf(line, "slice=%95[^|]|%95[^|]|%llu|%llu", slice->name, slice->uuid,
                   &slice->total, &slice->used) == 4) {
            parent->slices[parent->slice_count++] = slice;
            slice_count++;
        }
    }
}

static void read_answers(void) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[MAX_LINE];
    if (!file) {
        fprintf(stderr, "fake_nvml: FAKE_NVML does not name a file\n");
        abort();
    }
    gpu_count = slice_count = failure_count = cuda = 0;
    driver[0] = hang[0] = '\0';
    while (fgets(line, sizeof line, file)) read_line(line);
    fclose(file);
}

static void hang_for_ever(void) {
    FILE *file = fopen(hang, "w");
    if (file) {
        fprintf(file, "%d", (int)getpid());
        fclose(file);
    }
    for (;;) pause();
}

static int copy(char *buffer, unsigned size, const char *text) {
    if (strlen(text) >= size) return INSUFFICIENT_SIZE;
    strcpy(buffer, text);
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    read_answers();
    if (hang[0]) hang_for_ever();
    initialized = 1;
    FAIL_AS_TOLD;
    return SUCCESS;
}

int nvmlSystemGetDriverVersion(char *buffer, unsigned size) {
    FAIL_AS_TOLD;
    return copy(buffer, size, driver);
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    FAIL_AS_TOLD;
    *count = gpu_count;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct gpu **handle) {
    FAIL_AS_TOLD;
    if ((int)index >= gpu_count) return INVALID_ARGUMENT;
    *handle = &gpus[index];
    return SUCCESS;
}

int nvmlDeviceGetName(struct gpu *gpu, char *buffer, unsigned size) {
    FAIL_AS_TOLD;
    return copy(buffer, size, gpu->name);
}

int nvmlDeviceGetMemoryInfo(struct gpu *gpu, struct memory *memory) {
    FAIL_AS_TOLD;
    *memory = (struct memory){gpu->total, gpu->total - gpu->used, gpu->used};
    return SUCCESS;
}

#ifndef OLD_DRIVER

int nvmlSystemGetCudaDriverVersion_v2(int *version) {
    FAIL_AS_TOLD;
    *version = cuda;
    return SUCCESS;
}

int nvmlDeviceGetUUID(struct gpu *gpu, char *buffer, unsigned size) {
    FAIL_AS_TOLD;
    return copy(buffer, size, gpu->uuid);
}

int nvmlDeviceGetCudaComputeCapability(struct gpu *gpu, int *major, int *minor) {
    FAIL_AS_TOLD;
    *major = gpu->major;
    *minor = gpu->minor;
    return SUCCESS;
}

static int mode(int has, unsigned *current, unsigned *pending) {
    if (has < 0) return NOT_SUPPORTED;
    *current = *pending = has;
    return SUCCESS;
}

int nvmlDeviceGetMigMode(struct gpu *gpu, unsigned *current, unsigned *pending) {
    FAIL_AS_TOLD;
    return mode(gpu->mig, current, pending);
}

int nvmlDeviceGetEccMode(struct gpu *gpu, unsigned *current, unsigned *pending) {
    FAIL_AS_TOLD;
    return mode(gpu->ecc, current, pending);
}

int nvmlDeviceGetMaxMigDeviceCount(struct gpu *gpu, unsigned *count) {
    FAIL_AS_TOLD;
    (void)gpu;
    *count = MAX_SLICES;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(struct gpu *gpu, unsigned index, struct gpu **slice) {
    FAIL_AS_TOLD;
    if ((int)index >= gpu->slice_count) return NOT_FOUND;
    *slice = gpu->slices[index];
    return SUCCESS;
}

#endif
