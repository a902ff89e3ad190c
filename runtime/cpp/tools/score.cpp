// Scores batches from standard input, one after the other, until it ends: for trying a bundle out,
// and for comparing it with other implementations.
//
//   tunefleet-score BUNDLE [ARCH] < requests > answers
//
// A request is the batch as a 64-bit number and then the inputs' bytes in order, each dense and
// row-major. An answer is a 64-bit number, 0 if all went well, and then the outputs' bytes; after
// another number it is the length of a text, as 64 bits, and the text. The folder is looked at for
// a new version before each batch.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tensors.hpp"
#include "tunefleet/model.hpp"

namespace {

/// Of one request; a stream that is out of step asks for anything.
constexpr int64_t kMostRows = 1 << 20;

bool read_all(void* to, size_t bytes) { return std::fread(to, 1, bytes, stdin) == bytes; }

void write_number(int64_t number) { std::fwrite(&number, sizeof number, 1, stdout); }

int fail(const std::string& why) {
  std::fprintf(stderr, "error: %s\n", why.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: tunefleet-score BUNDLE [ARCH] < requests > answers\n");
    return 2;
  }
  tunefleet::Options options;
  if (argc == 3) options.arch = argv[2];
  auto model = tunefleet::Model::load(argv[1], options);
  if (!model) return fail(model.error().message);
  const auto signature = (*model)->signature();
  std::vector<tunefleet::OwnTensor> inputs(signature->inputs.size());
  std::vector<tunefleet::OwnTensor> outputs(signature->outputs.size());
  std::vector<DLTensor> given(inputs.size()), wanted(outputs.size());
  for (int64_t batch = 0; read_all(&batch, sizeof batch);) {
    if (batch < 0 || batch > kMostRows) return fail("no request has that many rows");
    for (size_t i = 0; i < inputs.size(); ++i) {
      inputs[i].fit(signature->inputs[i], batch);
      if (!read_all(inputs[i].bytes.data(), inputs[i].bytes.size()))
        return fail("the last request is incomplete");
      given[i] = inputs[i].view();
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      outputs[i].fit(signature->outputs[i], batch);
      wanted[i] = outputs[i].view();
    }
    if (const auto refused = (*model)->refresh())
      std::fprintf(stderr, "refused: %s\n", refused->message.c_str());
    const auto error = (*model)->score(given.data(), given.size(), wanted.data(), wanted.size());
    write_number(error ? static_cast<int64_t>(error->code) : 0);
    if (error) {
      write_number(static_cast<int64_t>(error->message.size()));
      std::fwrite(error->message.data(), 1, error->message.size(), stdout);
    } else {
      for (const auto& output : outputs)
        std::fwrite(output.bytes.data(), 1, output.bytes.size(), stdout);
    }
    std::fflush(stdout);
  }
  return 0;
}
