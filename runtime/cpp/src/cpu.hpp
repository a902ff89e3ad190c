// What this CPU can do.
#pragma once

#include <string>
#include <vector>

namespace tunefleet {

/// True if code of an ISA level (`x86-64-v3`, `x86-64-v4`) with these features runs here.
///
/// Features go by LLVM's names (`avx512vnni`) and are compared with Linux's (`avx512_vnni`).
bool runs_here(const std::string& isa_level, const std::vector<std::string>& features);

}  // namespace tunefleet
