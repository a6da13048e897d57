/* The part of NVIDIA's driver interface (CUDA Driver API reference) that CubeCL calls, where there is no GPU: memory is the host's, what
   is launched does nothing, and each kernel's PTX is written into the folder TRIMTAB_PTX. TRIMTAB_PTX_ARCH is the compute capability
   that it pretends to, times ten. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long Device;
typedef void *Any;

static int put(Any *out) { *out = malloc(8); return 0; }
static int take(Any *out, size_t n) {
  n = (n + 511) / 512 * 512;
  *out = aligned_alloc(512, n);
  if (!*out) return 2;
  memset(*out, 0, n);
  return 0;
}
static int copy(Any to, const void *from, size_t n) { memcpy(to, from, n); return 0; }

int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *v) { *v = 12080; return 0; }
int cuDeviceGetCount(int *n) { *n = 1; return 0; }
int cuDeviceGet(int *d, int i) { *d = 0; return i ? 101 : 0; }
int cuDeviceGetName(char *name, int n, int d) { snprintf(name, n, "none"); return 0; }
int cuDeviceTotalMem_v2(size_t *n, int d) { *n = 8ull << 30; return 0; }
int cuDeviceGetAttribute(int *v, int which, int d) {
  const char *arch = getenv("TRIMTAB_PTX_ARCH");
  int capability = arch ? atoi(arch) : 80;
  switch (which) {
    case 1: case 2: case 3: *v = 1024; break;     /* threads of a block, in x, in y */
    case 4: *v = 64; break;                       /* in z */
    case 5: *v = 2147483647; break;               /* blocks in x */
    case 6: case 7: *v = 65535; break;            /* in y, in z */
    case 10: *v = 32; break;                      /* threads of a warp */
    case 16: *v = 108; break;                     /* multiprocessors */
    case 75: *v = capability / 10; break;
    case 76: *v = capability % 10; break;
    case 97: *v = capability >= 90 ? 232448 : 101376; break; /* shared memory of a block */
    default: *v = 1;
  }
  return 0;
}
int cuDevicePrimaryCtxRetain(Any *c, int d) { return put(c); }
int cuDevicePrimaryCtxRelease_v2(int d) { return 0; }
int cuCtxSetCurrent(Any c) { return 0; }
int cuCtxGetCurrent(Any *c) { return put(c); }
int cuCtxSynchronize(void) { return 0; }
int cuStreamCreate(Any *s, unsigned f) { return put(s); }
int cuStreamDestroy_v2(Any s) { return 0; }
int cuStreamSynchronize(Any s) { return 0; }
int cuStreamWaitEvent(Any s, Any e, unsigned f) { return 0; }
int cuEventCreate(Any *e, unsigned f) { return put(e); }
int cuEventRecord(Any e, Any s) { return 0; }
int cuEventQuery(Any e) { return 0; }
int cuEventSynchronize(Any e) { return 0; }
int cuEventDestroy_v2(Any e) { return 0; }
int cuMemAlloc_v2(Device *p, size_t n) { return take((Any *)p, n); }
int cuMemAllocAsync(Device *p, size_t n, Any s) { return take((Any *)p, n); }
int cuMemFree_v2(Device p) { free((Any)p); return 0; }
int cuMemFreeAsync(Device p, Any s) { free((Any)p); return 0; }
int cuMemAllocHost_v2(Any *p, size_t n) { return take(p, n); }
int cuMemFreeHost(Any p) { free(p); return 0; }
int cuMemcpyHtoDAsync_v2(Device to, const void *from, size_t n, Any s) { return copy((Any)to, from, n); }
int cuMemcpyDtoHAsync_v2(Any to, Device from, size_t n, Any s) { return copy(to, (Any)from, n); }
int cuMemcpyDtoDAsync_v2(Device to, Device from, size_t n, Any s) { return copy((Any)to, (Any)from, n); }
struct Side { size_t x, y; int type; Any host; Device device; Any array; size_t pitch; };
struct Copy2D { struct Side from, to; size_t width, height; };
int cuMemcpy2DAsync_v2(const struct Copy2D *c, Any s) {
  /* CU_MEMORYTYPE_HOST is 1. */
  char *from = c->from.type == 1 ? c->from.host : (Any)c->from.device, *to = c->to.type == 1 ? c->to.host : (Any)c->to.device;
  for (size_t y = 0; y < c->height; y++)
    memcpy(to + (c->to.y + y) * c->to.pitch + c->to.x, from + (c->from.y + y) * c->from.pitch + c->from.x, c->width);
  return 0;
}
int cuMemsetD8Async(Device p, unsigned char v, size_t n, Any s) { memset((Any)p, v, n); return 0; }
int cuModuleLoadData(Any *module, const void *ptx) { *module = strdup(ptx); return 0; }
int cuModuleUnload(Any module) { return 0; }
int cuModuleGetFunction(Any *function, Any module, const char *name) {
  static int number;
  char path[4096];
  snprintf(path, sizeof path, "%s/%04d-%.80s.ptx", getenv("TRIMTAB_PTX"), number++, name);
  FILE *file = fopen(path, "w");
  if (!file || fputs(module, file) < 0 || fclose(file)) return 999;
  return put(function);
}
int cuFuncSetAttribute(Any f, int which, int v) { return 0; }
int cuLaunchKernel(Any f, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz, unsigned shared, Any s, Any *arguments,
                   Any *more) {
  return 0;
}
int cuTensorMapEncodeTiled() { return 0; }
int cuTensorMapEncodeIm2col() { return 0; }
int cuGetErrorName(int e, const char **text) { *text = "an error"; return 0; }
int cuGetErrorString(int e, const char **text) { *text = "an error"; return 0; }
