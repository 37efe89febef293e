// CUDA C on a CPU, for tests: a block's threads take turns, each running up to the next barrier.
#include <cmath>
#include <cstdlib>
#include <ucontext.h>

#define __global__
#define __device__ static inline
#define __shared__ static

struct Dim { unsigned x, y, z; };
static Dim threadIdx, blockIdx, blockDim, gridDim;

static const int MOST = 1024, STACK = 1 << 16;
static ucontext_t scheduler, threads[MOST];
static bool done[MOST];
static int current;
static char* stacks;
static void (*body)();

static void __syncthreads() { swapcontext(&threads[current], &scheduler); }

static void begin() {
  body();
  done[current] = true;
  swapcontext(&threads[current], &scheduler);
}

static void place(int t) {
  current = t;
  threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
}

static void run_block() {
  const int count = blockDim.x * blockDim.y * blockDim.z;
  if (!stacks) stacks = (char*)malloc((size_t)MOST * STACK);
  for (int t = 0; t < count; t++) {
    done[t] = false;
    getcontext(&threads[t]);
    threads[t].uc_stack.ss_sp = stacks + (size_t)t * STACK;
    threads[t].uc_stack.ss_size = STACK;
    threads[t].uc_link = nullptr;
    makecontext(&threads[t], begin, 0);
  }
  for (bool busy = true; busy;) {
    busy = false;
    for (int t = 0; t < count; t++) {
      if (done[t]) continue;
      place(t);
      swapcontext(&scheduler, &threads[t]);
      busy |= !done[t];
    }
  }
}

// Without a barrier threads run from beginning to end, which is much faster.
static void launch(const unsigned* dims, bool barriers, void (*kernel)()) {
  gridDim = {dims[0], dims[1], dims[2]};
  blockDim = {dims[3], dims[4], dims[5]};
  body = kernel;
  const int count = blockDim.x * blockDim.y * blockDim.z;
  for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++)
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++)
      for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
        if (barriers) {
          run_block();
          continue;
        }
        for (int t = 0; t < count; t++) {
          place(t);
          kernel();
        }
      }
}
