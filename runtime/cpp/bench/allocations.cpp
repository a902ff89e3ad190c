// Counts what calls allocate after a thread's first: calls of malloc, and pages that were touched
// for the first time.
#include <sys/resource.h>

#include <atomic>

#include "bench.hpp"

namespace {

std::atomic<uint64_t> counted{0};

}  // namespace

// A sanitizer has a malloc of its own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

extern "C" {

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

__attribute__((visibility("default"))) void* malloc(size_t size) noexcept {
  counted.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}

__attribute__((visibility("default"))) void* calloc(size_t count, size_t size) noexcept {
  counted.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}

__attribute__((visibility("default"))) void* realloc(void* old, size_t size) noexcept {
  counted.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(old, size);
}

__attribute__((visibility("default"))) void* aligned_alloc(size_t alignment, size_t size) noexcept {
  counted.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, size);
}

}  // extern "C"

#endif

namespace tunefleet::bench {

uint64_t mallocs() { return counted.load(); }

int allocations(const Arguments& arguments) {
  const auto model = load(arguments[0]);
  const int64_t rows = std::stoll(arguments[1]);
  Batch batch(*model->signature(), rows, 1);
  const auto faults = [] {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return used.ru_minflt;
  };
  const uint64_t loading = mallocs();
  if (auto error = batch.score(*model)) fail(error->message);
  const uint64_t before = mallocs();
  const long touched = faults();
  for (int64_t i = 0; i < std::stoll(arguments[2]); ++i)
    if (auto error = batch.score(*model)) fail(error->message);
  // Printing allocates, too.
  const uint64_t during = mallocs() - before;
  const long fresh = faults() - touched;
  std::printf("loading %llu\nmallocs %llu\nfaults %ld\n", static_cast<unsigned long long>(loading),
              static_cast<unsigned long long>(during), fresh);
  return 0;
}

}  // namespace tunefleet::bench
