#include "cpu.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <set>
#include <sstream>

namespace tunefleet {
namespace {

std::string plain(const std::string& name) {
  std::string kept;
  std::copy_if(name.begin(), name.end(), std::back_inserter(kept),
               [](unsigned char c) { return std::isalnum(c) != 0; });
  return kept;
}

// Linux tells which instruction sets the kernel saves the registers of, too; `cpuid` does not.
std::set<std::string> flags() {
  std::ifstream file("/proc/cpuinfo");
  std::set<std::string> found;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("flags", 0) != 0) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    for (std::string word; words >> word;) found.insert(plain(word));
    break;
  }
  return found;
}

const std::vector<std::string>* of_level(const std::string& level) {
  // The x86-64 psABI's levels, by what kernels use of them.
  static const std::vector<std::string> v3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm",
                                              "movbe"};
  static const std::vector<std::string> v4 = [] {
    std::vector<std::string> all = v3;
    for (const char* more : {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})
      all.emplace_back(more);
    return all;
  }();
  if (level == "x86-64-v3") return &v3;
  return level == "x86-64-v4" ? &v4 : nullptr;
}

}  // namespace

bool runs_here(const std::string& isa_level, const std::vector<std::string>& features) {
  static const std::set<std::string> have = flags();
  const auto* level = of_level(isa_level);
  if (level == nullptr) return false;
  const auto has = [](const std::string& name) { return have.count(plain(name)) != 0; };
  return std::all_of(level->begin(), level->end(), has) &&
         std::all_of(features.begin(), features.end(), has);
}

}  // namespace tunefleet
