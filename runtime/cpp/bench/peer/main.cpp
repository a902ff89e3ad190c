// tunefleet-serve with something else in its models' place; see benchmarks/serving/load.py.
//
//   tunefleet-peer empty OPTION... NAME=BUNDLE
//   tunefleet-peer onnxruntime LIBRARY MODEL OPTION... NAME=BUNDLE
//
// Front, queue, joining and options are those of tunefleet-serve; the bundle says what the model
// takes and returns.
#include <cstdio>

#include "peer.hpp"
#include "server.hpp"

int main(int argc, char** argv) {
  using namespace tunefleet;
  const std::vector<std::string> words(argv + 1, argv + argc);
  const std::string kind = words.empty() ? "" : words[0];
  const size_t own = kind == "empty" ? 1 : 3;
  if ((kind != "empty" && kind != "onnxruntime") || words.size() <= own) {
    std::fprintf(stderr, "usage: tunefleet-peer empty|onnxruntime LIBRARY MODEL OPTION... BUNDLE\n");
    return 2;
  }
  const auto options =
      serve::parse_options({words.begin() + static_cast<std::ptrdiff_t>(own), words.end()});
  if (!options) {
    std::fprintf(stderr, "error: %s\n", options.error().message.c_str());
    return 2;
  }
  return serve::run(*options, [&](const std::string& folder, const Options&) {
    auto like = Model::load(folder);
    if (!like) return like;
    if (kind == "empty") return Result<std::shared_ptr<Model>>(std::make_shared<bench::NoModel>(*like));
    return bench::load_onnxruntime(*like, words[1], words[2]);
  });
}
