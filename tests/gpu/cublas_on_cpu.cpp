// The few functions of cuBLAS that dlgraph calls, by their documented meaning, on memory of the CPU.
#include <cstddef>

struct Handle { void* stream; void* workspace; size_t size; int mode; };
static int made = 0;

extern "C" {
int cublasCreate_v2(void** handle) {
  *handle = new Handle();
  made++;
  return 0;
}
int cublasSetStream_v2(void* handle, void* stream) {
  Handle* h = (Handle*)handle;
  h->stream = stream;
  h->workspace = nullptr;  // as documented: back to the workspace of the library
  return 0;
}
int cublasSetWorkspace_v2(void* handle, void* workspace, size_t size) {
  Handle* h = (Handle*)handle;
  h->workspace = workspace;
  h->size = size;
  return (size_t)workspace % 256 ? 7 : 0;
}
int cublasSetPointerMode_v2(void* handle, int mode) {
  ((Handle*)handle)->mode = mode;
  return 0;
}
}

template <typename T>
static int gemm(void* handle, int ta, int tb, int m, int n, int k, const T* alpha, const T* a, int lda,
                const T* b, int ldb, const T* beta, T* c, int ldc) {
  Handle* h = (Handle*)handle;
  if (!h->workspace || h->mode != 1) return 1;
  if (lda < (ta ? k : m) || ldb < (tb ? n : k) || ldc < m) return 7;
  for (int j = 0; j < n; j++)
    for (int i = 0; i < m; i++) {
      T sum = 0;
      for (int p = 0; p < k; p++)
        sum += (ta ? a[p + (size_t)i * lda] : a[i + (size_t)p * lda]) *
               (tb ? b[j + (size_t)p * ldb] : b[p + (size_t)j * ldb]);
      T& out = c[i + (size_t)j * ldc];
      out = *alpha * sum + (*beta == 0 ? 0 : *beta * out);
    }
  return 0;
}

extern "C" {
int cublasSgemm_v2(void* h, int ta, int tb, int m, int n, int k, const float* alpha, const float* a,
                   int lda, const float* b, int ldb, const float* beta, float* c, int ldc) {
  return gemm(h, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
int cublasDgemm_v2(void* h, int ta, int tb, int m, int n, int k, const double* alpha, const double* a,
                   int lda, const double* b, int ldb, const double* beta, double* c, int ldc) {
  return gemm(h, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
}
