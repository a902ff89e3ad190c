// Memory for activations: one arena per thread, shared by all models on it.
#pragma once

#include <cstddef>

namespace tunefleet {

/// This thread's arena, of at least `bytes`, on a page; null if there is no memory.
void* thread_arena(size_t bytes) noexcept;

/// Size of this thread's arena, in bytes.
size_t thread_arena_size() noexcept;

}  // namespace tunefleet
