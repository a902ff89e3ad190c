#include "arena.hpp"

#include <sys/mman.h>

#include "tunefleet/model.hpp"

namespace tunefleet {
namespace {

struct Arena {
  void* data = nullptr;
  size_t size = 0;

  void release() noexcept {
    if (data != nullptr) ::munmap(data, size);
    data = nullptr;
    size = 0;
  }
  ~Arena() { release(); }
};

thread_local Arena own_arena;

}  // namespace

void* thread_arena(size_t bytes) noexcept {
  if (own_arena.size >= bytes && own_arena.data != nullptr) return own_arena.data;
  own_arena.release();
  // Models are called in turns: room to spare keeps each from replacing the other's arena.
  constexpr size_t kPage = 2u << 20;
  const size_t size = (bytes + kPage) / kPage * kPage;
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
  ::madvise(data, size, MADV_HUGEPAGE);
  own_arena.data = data;
  own_arena.size = size;
  return data;
}

size_t thread_arena_size() noexcept { return own_arena.size; }

void release_arena() noexcept { own_arena.release(); }

}  // namespace tunefleet
