// Models that tunefleet-serve does not serve, behind all else that it is made of.
#pragma once

#include <utility>

#include "tunefleet/model.hpp"

namespace tunefleet::bench {

/// Takes and returns what a bundle's model does; who scores is up to those that derive from it.
class Peer : public Model {
 public:
  explicit Peer(std::shared_ptr<Model> like) : like_(std::move(like)) {}

  Status refresh() noexcept override { return {}; }
  std::shared_ptr<const Signature> signature() const noexcept override {
    return like_->signature();
  }
  std::string arch() const override { return like_->arch(); }
  std::string version() const override { return like_->version(); }
  std::vector<int64_t> buckets() const override { return like_->buckets(); }
  double seconds(int64_t rows) const override { return like_->seconds(rows); }
  std::string last_error() const override { return {}; }

 private:
  const std::shared_ptr<Model> like_;
};

/// Scores nothing: what is left is what everything around it costs.
class NoModel final : public Peer {
 public:
  using Peer::Peer;
  Status score(const DLTensor*, size_t, const DLTensor*, size_t) noexcept override { return {}; }
};

/// Scores by ONNX Runtime on the calling thread, from the caller's memory into the caller's memory.
///
/// `library` is libonnxruntime.so, `file` the model.
Result<std::shared_ptr<Model>> load_onnxruntime(std::shared_ptr<Model> like,
                                                const std::string& library,
                                                const std::string& file);

}  // namespace tunefleet::bench
