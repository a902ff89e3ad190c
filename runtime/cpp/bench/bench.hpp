// What the commands of tunefleet-bench share.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "tensors.hpp"
#include "tunefleet/model.hpp"

namespace tunefleet::bench {

using Arguments = std::vector<std::string>;

/// Each prints lines of a name and a number, and returns the exit code.
int allocations(const Arguments& arguments);
int overhead(const Arguments& arguments);
int refresh(const Arguments& arguments);
int threads(const Arguments& arguments);

/// Calls of malloc and its kin so far, by all threads.
uint64_t mallocs();

[[noreturn]] inline void fail(const std::string& why) {
  std::fprintf(stderr, "error: %s\n", why.c_str());
  std::exit(1);
}

inline std::shared_ptr<Model> load(const std::string& folder, const Options& options = {}) {
  auto model = Model::load(folder, options);
  if (!model) fail(model.error().message);
  return *model;
}

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Value below which `part` of the values lie.
inline double quantile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(part * static_cast<double>(values.size() - 1))];
}

inline void pin(size_t core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

/// Random inputs that a model accepts, and room for its scores.
class Batch {
 public:
  Batch(const Signature& signature, int64_t rows, unsigned seed) {
    std::mt19937_64 random(seed);
    inputs_.resize(signature.inputs.size());
    outputs_.resize(signature.outputs.size());
    for (size_t i = 0; i < inputs_.size(); ++i) {
      inputs_[i].fit(signature.inputs[i], rows);
      fill(signature.inputs[i], inputs_[i].bytes, random);
      given_.push_back(inputs_[i].view());
    }
    for (size_t i = 0; i < outputs_.size(); ++i) {
      outputs_[i].fit(signature.outputs[i], rows);
      wanted_.push_back(outputs_[i].view());
    }
    kept_ = inputs_;
  }

  Status score(Model& model) noexcept {
    return model.score(given_.data(), given_.size(), wanted_.data(), wanted_.size());
  }

  /// Write the inputs again, as they are.
  void write() {
    for (size_t i = 0; i < inputs_.size(); ++i)
      std::copy(kept_[i].bytes.begin(), kept_[i].bytes.end(), inputs_[i].bytes.begin());
  }

  size_t input_bytes() const {
    size_t bytes = 0;
    for (const OwnTensor& input : inputs_) bytes += input.bytes.size();
    return bytes;
  }

  bool scored(const std::vector<char>& scores) const { return outputs_[0].bytes == scores; }
  const std::vector<char>& scores() const { return outputs_[0].bytes; }

 private:
  template <class T, class Make>
  static void fill_as(std::vector<char>& bytes, Make make) {
    auto* values = reinterpret_cast<T*>(bytes.data());
    for (size_t i = 0; i < bytes.size() / sizeof(T); ++i) values[i] = static_cast<T>(make(i));
  }

  static void fill(const TensorSpec& spec, std::vector<char>& bytes, std::mt19937_64& random) {
    size_t count = 1;
    for (const int64_t extent : spec.shape) count *= static_cast<size_t>(extent);
    const auto whole = [&](size_t i) {
      const size_t at = spec.rows.size() == 1 ? 0 : i % count;
      return spec.rows.empty() ? 0 : random() % static_cast<uint64_t>(std::max<int64_t>(
                                                    1, spec.rows[at]));
    };
    const auto real = [&](size_t) { return std::normal_distribution<double>()(random); };
    const bool rows = !spec.rows.empty();
    if (spec.dtype.code == kDLFloat && spec.dtype.bits == 32)
      return rows ? fill_as<float>(bytes, whole) : fill_as<float>(bytes, real);
    if (spec.dtype.code == kDLInt && spec.dtype.bits == 64) return fill_as<int64_t>(bytes, whole);
    if (spec.dtype.code == kDLInt && spec.dtype.bits == 32) return fill_as<int32_t>(bytes, whole);
    fail("no random inputs for " + spec.name);
  }

  std::vector<OwnTensor> inputs_, kept_, outputs_;
  std::vector<DLTensor> given_, wanted_;
};

}  // namespace tunefleet::bench
