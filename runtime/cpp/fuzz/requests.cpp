// libFuzzer: whatever a client sends, the server answers or hangs up, and lives.
//
// The bytes go over a socket as a client's would, through Beast, the limits, the protocol and
// the batcher; the model alone is a fake, so that nothing but its shapes matters.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "http/session.hpp"

namespace {

using namespace tunefleet;
using namespace tunefleet::serve;

/// Reads every byte of its inputs, and writes every one of its outputs.
class FakeModel final : public Model {
 public:
  FakeModel() {
    signature_.model = "m";
    signature_.inputs = {{"d", {kDLFloat, 32, 1}, {2}, true, {}}, {"i", {kDLInt, 64, 1}, {1}, true, {}}};
    signature_.outputs = {{"o", {kDLFloat, 32, 1}, {}, true, {}}};
  }

  Status score(const DLTensor* inputs, size_t, const DLTensor* outputs, size_t) noexcept override {
    const auto* dense = static_cast<const float*>(inputs[0].data);
    const auto* rows = static_cast<const int64_t*>(inputs[1].data);
    for (int64_t at = 0; at < inputs[0].shape[0]; ++at) {
      if (rows[at] < 0) return Error{Code::kInput, "i row " + std::to_string(at)};
      static_cast<float*>(outputs[0].data)[at] =
          dense[2 * at] + dense[2 * at + 1] + static_cast<float>(rows[at]);
    }
    return {};
  }

  Status refresh() noexcept override { return {}; }
  std::shared_ptr<const Signature> signature() const noexcept override {
    return std::make_shared<const Signature>(signature_);
  }
  std::string arch() const override { return "fake"; }
  std::string version() const override { return "0123456789abcdef"; }
  std::vector<int64_t> buckets() const override { return {1, 8}; }
  double seconds(int64_t) const override { return 1e-6; }
  std::string last_error() const override { return {}; }

 private:
  Signature signature_;
};

ServedModels fake_models() {
  ServedModels models;
  models.push_back(std::make_unique<ServedModel>());
  models[0]->name = "m";
  models[0]->model = std::make_shared<FakeModel>();
  models[0]->max_rows = 64;
  return models;
}

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ServedModels models = fake_models();
  static Batcher batcher(lanes_of(models, -1), {1, false, std::chrono::microseconds(0), 1.0});
  static Routes routes(models);
  static asio::thread_pool slow(1);
  static Service service{routes, models, batcher, slow, 1 << 16, 1 << 20};
  static asio::io_context context;
  // As much as a socket takes before anybody reads.
  if (size > 32768) return 0;
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  require(::send(ends[0], data, size, MSG_DONTWAIT) == static_cast<ssize_t>(size));
  ::shutdown(ends[0], SHUT_WR);
  const asio::generic::stream_protocol local(AF_UNIX, 0);
  size_t ended = 0;
  std::make_shared<Session>(Session::Socket(context, local, ends[1]), service, [&](Session*) {
    ++ended;
  })->start();
  context.restart();
  context.run();
  require(ended == 1);
  char answer[9] = {};
  const ssize_t got = ::recv(ends[0], answer, sizeof answer - 1, MSG_DONTWAIT);
  ::close(ends[0]);
  require(got <= 0 || std::memcmp(answer, "HTTP/1.", 7) == 0);
  return 0;
}
